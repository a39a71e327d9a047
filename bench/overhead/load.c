/* The load generator of the bench: one thread, epoll, HTTP/1.1 keep-alive, one request at a time per connection.
 *
 *   load --port P --file request.bin [--conns N] [--seconds S] [--count N] [--rate R] [--stream]
 *        [--open | --hold | --abort first|waiting] [--grace S] [--delays] [--awake A,B]
 *
 * request.bin holds one whole request, head and body, sent as it is. How it is sent:
 *   (nothing)   closed loop: each connection sends again when it has its answer; --rate caps the whole, in volleys of one
 *               request per connection, so that the cheapest gateway does not saturate the generator.
 *   --open      open loop: --rate requests a second on a fixed timetable; latency counts from the timetable, so that a
 *               stall is seen by every request that it delays.
 *   --hold      opens --conns streams at --rate a second, prints {"opened":N} when all have an event, then reads on for --seconds.
 *   --abort     --count connections, each closed by us: `first` after its first event, `waiting` 50 ms after the request.
 * --delays measures, event by event, the time from the mock's write to our read (both share the monotonic clock).
 * --awake runs a spinner of the idle scheduling class on the two cores named, so that no wake-up waits for a sleeping vCPU.
 * Prints one line of JSON. Connects to 127.0.0.1 only, and ends when its parent ends or 120 s after the start.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum phase { HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, UNTIL_CLOSE };

struct conn {
  int fd, index;
  enum { IDLE, SENDING, READING } state;
  int wants_write, connected;
  size_t sent;
  int64_t since, aborted_at;
  enum phase phase;
  int have, status, close_after, retry_after;
  uint64_t left;
  int line_have;         /* bytes of the current SSE line, as far as they are kept */
  char line[8];
  int64_t events;
  int done;
  char head[2048];
};

static int port, conns = 64, stream, open_loop, hold, abort_first, abort_waiting, delays;
static int awake[2] = { -1, -1 };
static double seconds = 3, rate, grace = 10;
static int64_t count = -1;
static const char *file;

static char *request;
static size_t request_len;
static int memfd = -1, epfd, timer_fd;
static struct conn *all;
static int *idle, idle_n, in_flight;

static int64_t started, finished, failed, short_streams, unfinished, reconnects, events_seen, bytes, opened, aborted;
static char first_error[400];

struct samples { uint32_t *at; size_t n, cap; };
static struct samples latency, first_event, delay, refusal;
static int64_t refused_with_wait; /* 429 or 503 with a Retry-After of 1 to 10 s */

static void sample(struct samples *s, int64_t us) {
  if (s->n == s->cap) {
    if (s->cap >= 4000000) return;
    s->cap = s->cap ? s->cap * 2 : 65536;
    s->at = realloc(s->at, s->cap * sizeof *s->at);
  }
  s->at[s->n++] = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void watch(struct conn *c, uint32_t events, int op) {
  struct epoll_event e = { .events = events, .data.ptr = c };
  epoll_ctl(epfd, op, c->fd, &e);
}

static void note_error(const char *text, size_t n) {
  if (first_error[0]) return;
  size_t k = 0;
  for (size_t i = 0; i < n && k < sizeof first_error - 2; i++)
    if ((unsigned char)text[i] >= 32 && text[i] != '"' && text[i] != '\\') first_error[k++] = text[i];
    else if (text[i] == '"') first_error[k++] = '\'';
}

static void dial(struct conn *c) {
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  int on = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) { perror("load: socket"); exit(1); }
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connect(c->fd, (struct sockaddr *)&to, sizeof to);
  c->connected = 0;
  c->wants_write = 1;
  watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

static void hang_up(struct conn *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
}

static void push_idle(struct conn *c) {
  c->state = IDLE;
  idle[idle_n++] = c->index;
}

static void fail(struct conn *c, const char *why) {
  note_error(why, strlen(why));
  failed++;
  in_flight--;
  hang_up(c);
  push_idle(c);
}

static void push_bytes(struct conn *c) {
  while (c->sent < request_len) {
    ssize_t w;
    if (memfd >= 0) {
      off_t at = (off_t)c->sent;
      w = sendfile(c->fd, memfd, &at, request_len - c->sent);
    } else w = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);
    if (w < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
      if (!c->wants_write) watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
      c->wants_write = 1;
      return;
    }
    if (w <= 0) { fail(c, "connection lost while sending"); return; }
    c->sent += w;
  }
  if (c->wants_write) watch(c, EPOLLIN, EPOLL_CTL_MOD);
  c->wants_write = 0;
  c->state = READING;
}

static void start(struct conn *c, int64_t since) {
  c->sent = 0;
  c->since = since;
  c->phase = HEAD;
  c->have = c->line_have = c->done = c->close_after = 0;
  c->events = 0;
  c->aborted_at = 0;
  c->state = SENDING;
  started++;
  in_flight++;
  if (c->fd < 0) dial(c);
  else push_bytes(c);
}

static void complete(struct conn *c) {
  int64_t now = now_us();
  if (c->status == 200 && (!stream || c->done)) {
    finished++;
    sample(&latency, now - c->since);
  } else if (c->status == 200) {
    short_streams++;
    note_error("stream ended without [DONE]", 27);
  } else {
    failed++;
    if (c->status == 429 || c->status == 503) {
      sample(&refusal, now - c->since);
      if (c->retry_after >= 1 && c->retry_after <= 10) refused_with_wait++;
    }
  }
  in_flight--;
  if (c->close_after) { hang_up(c); reconnects++; }
  push_idle(c);
}

/* An SSE line is counted by its first bytes: `data: {` an event, `data: [DONE]` the end, anything else a comment. */
static void line_end(struct conn *c, const char *line, size_t n, int whole) {
  if (c->line_have >= 6 && !memcmp(c->line, "data:", 5)) {
    char first = c->line[5] == ' ' ? c->line[6] : c->line[5];
    if (first == '[') c->done = 1;
    else if (first == '{') {
      events_seen++;
      if (c->events++ == 0) { sample(&first_event, now_us() - c->since); opened++; }
      const char *at = delays && whole ? memchr(line, '@', n) : NULL;
      if (at && at + 17 < line + n && at[1] >= '0' && at[1] <= '9') {
        int64_t then = 0;
        for (int i = 1; i <= 16; i++) then = then * 10 + (at[i] - '0');
        sample(&delay, now_us() - then);
      }
    }
  }
  c->line_have = 0;
}

static void take_data(struct conn *c, const char *p, size_t n) {
  bytes += (int64_t)n;
  if (c->status != 200) { note_error(p, n < 300 ? n : 300); return; }
  if (!stream) return;
  const char *end = p + n, *line = p;
  int whole = c->line_have == 0;
  while (p < end) {
    while (p < end && c->line_have < 7 && *p != '\n') c->line[c->line_have++] = *p++;
    const char *nl = p < end ? memchr(p, '\n', end - p) : NULL;
    if (!nl) return;
    line_end(c, line, nl - line, whole);
    p = line = nl + 1;
    whole = 1;
  }
}

/* Feeds bytes to the response; returns how many were used. The rest belongs to nobody (we never pipeline). */
static void take(struct conn *c, const char *p, size_t n) {
  const char *end = p + n;
  while (p < end && c->state == READING) {
    switch (c->phase) {
    case HEAD: {
      /* Nearly always the head is whole in its first read; only a head in pieces is copied together. */
      const char *from = p, *stop = c->have ? NULL : memmem(p, end - p, "\r\n\r\n", 4);
      if (stop) p = stop + 4;
      else {
        size_t room = sizeof c->head - c->have, k = (size_t)(end - p) < room ? (size_t)(end - p) : room;
        int had = c->have;
        memcpy(c->head + c->have, p, k);
        c->have += (int)k;
        from = c->head;
        stop = memmem(c->head, c->have, "\r\n\r\n", 4);
        if (!stop && room == k) { fail(c, "response head too long"); return; }
        if (!stop) return;
        p += (stop + 4 - c->head) - had;
      }
      c->status = stop - from > 12 ? atoi(from + 9) : 0;
      c->have = 0;
      if (c->status >= 100 && c->status < 200) break;
      if (c->status != 200) note_error(from, 12);
      c->phase = UNTIL_CLOSE;
      c->done = c->retry_after = 0;
      for (const char *line = memchr(from, '\n', stop - from); line; line = memchr(line, '\n', stop - line)) {
        line++;
        if ((*line | 32) == 'c' && !strncasecmp(line, "connection: close", 17)) c->close_after = 1;
        else if ((*line | 32) == 'c' && !strncasecmp(line, "content-length:", 15)) { c->phase = LENGTH; c->left = strtoull(line + 15, NULL, 10); }
        else if ((*line | 32) == 'r' && !strncasecmp(line, "retry-after:", 12)) c->retry_after = atoi(line + 12);
        else if ((*line | 32) == 't' && !strncasecmp(line, "transfer-encoding: chunked", 26)) { c->phase = CHUNK_SIZE; c->left = 0; break; }
      }
      if (c->phase == UNTIL_CLOSE) c->close_after = 1;
      if (c->phase == LENGTH && !c->left) complete(c);
      break;
    }
    case LENGTH: {
      size_t k = (uint64_t)(end - p) < c->left ? (size_t)(end - p) : (size_t)c->left;
      take_data(c, p, k);
      p += k;
      c->left -= k;
      if (!c->left) complete(c);
      break;
    }
    case CHUNK_SIZE: {
      char ch = *p++;
      if (ch == '\n') { c->phase = c->left ? CHUNK_DATA : TRAILER; c->have = 0; }
      else if (ch != '\r' && c->have == 0) {
        int digit = ch >= '0' && ch <= '9' ? ch - '0' : (ch | 32) >= 'a' && (ch | 32) <= 'f' ? (ch | 32) - 'a' + 10 : -1;
        if (digit < 0) c->have = 1;
        else c->left = c->left * 16 + digit;
      }
      break;
    }
    case CHUNK_DATA: {
      size_t k = (uint64_t)(end - p) < c->left ? (size_t)(end - p) : (size_t)c->left;
      take_data(c, p, k);
      p += k;
      c->left -= k;
      if (!c->left) c->phase = CHUNK_END;
      break;
    }
    case CHUNK_END:
      if (*p++ == '\n') { c->phase = CHUNK_SIZE; c->left = 0; c->have = 0; }
      break;
    case TRAILER: {
      char ch = *p++;
      if (ch == '\n') { if (c->have == 0) complete(c); else c->have = 0; }
      else if (ch != '\r') c->have = 1;
      break;
    }
    case UNTIL_CLOSE:
      take_data(c, p, end - p);
      p = end;
      break;
    }
  }
}

static void give_up(struct conn *c) {
  aborted++;
  in_flight--;
  hang_up(c);
  push_idle(c);
}

static void readable(struct conn *c) {
  static char buffer[1 << 18];
  ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    if (c->state == IDLE) { hang_up(c); reconnects++; return; }
    if (c->phase == UNTIL_CLOSE && c->state == READING && n == 0) { complete(c); return; }
    fail(c, n == 0 ? "connection closed before the answer was whole" : strerror(errno));
    return;
  }
  /* An answer may come while we are still sending: a refusal of a large body. */
  if (c->state == SENDING) { c->state = READING; c->close_after = 1; }
  take(c, buffer, n);
  if (abort_first && c->state == READING && c->events > 0) give_up(c);
}

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static void print_samples(const char *name, struct samples *s) {
  qsort(s->at, s->n, sizeof *s->at, ascending);
#define Q(p) (s->n ? s->at[(size_t)((s->n - 1) * (p))] : 0)
  printf(",\"%s\":{\"n\":%zu,\"p50\":%u,\"p90\":%u,\"p99\":%u,\"max\":%u}", name, s->n, Q(0.5), Q(0.9), Q(0.99), Q(1.0));
}

static pid_t spinners[2];
static void spin(void) {
  for (int i = 0; i < 2; i++) {
    spinners[i] = fork();
    if (spinners[i]) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(awake[i], &set);
    sched_setaffinity(0, sizeof set, &set);
    struct sched_param p = { 0 };
    if (sched_setscheduler(0, SCHED_IDLE, &p)) _exit(0);
    alarm(120);
    for (volatile uint64_t i = 0;; i++);
  }
}

static void arm(int64_t us) {
  struct itimerspec t = { { 0, 0 }, { us / 1000000, us % 1000000 * 1000 } };
  if (us < 1) t.it_value.tv_nsec = 1000;
  timerfd_settime(timer_fd, 0, &t, NULL);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
    if (!strcmp(name, "--stream")) { stream = 1; continue; }
    if (!strcmp(name, "--open")) { open_loop = 1; continue; }
    if (!strcmp(name, "--hold")) { hold = 1; continue; }
    if (!strcmp(name, "--delays")) { delays = 1; continue; }
    i++;
    if (!strcmp(name, "--port")) port = atoi(value);
    else if (!strcmp(name, "--file")) file = value;
    else if (!strcmp(name, "--conns")) conns = atoi(value);
    else if (!strcmp(name, "--seconds")) seconds = atof(value);
    else if (!strcmp(name, "--count")) count = atoll(value);
    else if (!strcmp(name, "--rate")) rate = atof(value);
    else if (!strcmp(name, "--grace")) grace = atof(value);
    else if (!strcmp(name, "--awake")) { if (sscanf(value, "%d,%d", &awake[0], &awake[1]) != 2) return 2; }
    else if (!strcmp(name, "--abort")) { abort_first = !strcmp(value, "first"); abort_waiting = !abort_first; }
    else { fprintf(stderr, "load: unknown option %s\n", name); return 2; }
  }
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(120);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  int in = file ? open(file, O_RDONLY) : -1;
  if (in < 0 || !port) { fprintf(stderr, "load: --port and --file are needed\n"); return 2; }
  request_len = lseek(in, 0, SEEK_END);
  request = malloc(request_len);
  if (pread(in, request, request_len, 0) != (ssize_t)request_len) { perror("load: request"); return 2; }
  if (request_len > 65536) {
    memfd = memfd_create("request", 0);
    for (size_t at = 0; at < request_len;) {
      ssize_t w = write(memfd, request + at, request_len - at);
      if (w <= 0) { perror("load: memfd"); return 2; }
      at += w;
    }
  }

  epfd = epoll_create1(0);
  timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event e = { .events = EPOLLIN, .data.ptr = &timer_fd };
  epoll_ctl(epfd, EPOLL_CTL_ADD, timer_fd, &e);
  all = calloc(conns, sizeof *all);
  idle = calloc(conns, sizeof *idle);
  for (int i = conns - 1; i >= 0; i--) { all[i].index = i; all[i].fd = -1; push_idle(&all[i]); }
  if (awake[0] >= 0) spin();
  if (hold && count < 0) count = conns;

  int64_t t0 = now_us(), end_at = t0 + (int64_t)(seconds * 1e6), last = t0;
  int64_t hard_end = hold ? t0 + (int64_t)(grace * 1e6) : end_at + (int64_t)(grace * 1e6);
  double step = rate > 0 ? 1e6 / rate : 0, due = (double)t0;
  /* A capped closed loop sends all its connections' requests at once, then waits: in drops it would keep every process
   * waking up for one request, which costs a cheap gateway half as much again and hides what a dear one costs. */
  int64_t tick = (int64_t)(step * conns) > 1000 ? (int64_t)(step * conns) : 1000;
  int announced = 0;
  struct epoll_event events[512];

  for (;;) {
    int64_t now = now_us();
    int may_send = (count < 0 ? now < end_at : started < count) && !(hold && announced);
    if (may_send) {
      /* A closed loop with a cap forgives what it missed; the timetable of an open loop does not. */
      if (step && !open_loop && due < now - tick) due = now - tick;
      while (idle_n && (count < 0 || started < count) && (!step || due <= now)) {
        start(&all[idle[--idle_n]], open_loop ? (int64_t)due : now_us());
        due += step;
      }
    }
    if (hold && !announced && (opened + failed >= conns || now >= hard_end)) {
      printf("{\"opened\":%lld,\"failed\":%lld,\"us\":%lld}\n", (long long)opened, (long long)failed, (long long)(now - t0));
      fflush(stdout);
      announced = 1;
      end_at = hard_end = now + (int64_t)(seconds * 1e6);
    }
    may_send = (count < 0 ? now < end_at : started < count) && !(hold && announced);
    if (!may_send && in_flight == 0) break;
    if (now >= hard_end && (!hold || announced)) break;
    if (abort_waiting)
      for (int i = 0; i < conns; i++)
        if (all[i].state == READING && now - all[i].since > 50000) give_up(&all[i]);

    int timeout = -1;
    if (may_send && step && idle_n) {
      int64_t wait = (int64_t)due - now;
      if (!open_loop && !hold && wait < tick) wait = tick;
      arm(wait);
    } else timeout = abort_waiting ? 5 : 50;
    int n = epoll_wait(epfd, events, 512, timeout);
    for (int i = 0; i < n; i++) {
      void *who = events[i].data.ptr;
      if (who == &timer_fd) { uint64_t x; if (read(timer_fd, &x, 8) < 0) continue; continue; }
      struct conn *c = who;
      if (c->fd < 0) continue;
      if (c->state == SENDING && (events[i].events & EPOLLOUT)) push_bytes(c);
      if (c->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))) readable(c);
    }
    if (n > 0) last = now_us();
  }
  unfinished = in_flight;
  for (int i = 0; i < conns; i++) hang_up(&all[i]);
  int64_t spun[2] = { 0, 0 };
  for (int i = 0; i < 2; i++) {
    struct rusage own;
    if (spinners[i] <= 0) continue;
    kill(spinners[i], SIGKILL);
    if (wait4(spinners[i], NULL, 0, &own) > 0)
      spun[i] = (int64_t)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1000000 + own.ru_utime.tv_usec + own.ru_stime.tv_usec;
  }

  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  printf("{\"started\":%lld,\"finished\":%lld,\"failed\":%lld,\"short\":%lld,\"unfinished\":%lld,\"aborted\":%lld,\"reconnects\":%lld,"
         "\"events\":%lld,\"bytes\":%lld,\"opened\":%lld,\"wall_us\":%lld,\"cpu_us\":%lld,\"spun_us\":[%lld,%lld]",
         (long long)started, (long long)finished, (long long)failed, (long long)short_streams, (long long)unfinished, (long long)aborted,
         (long long)reconnects, (long long)events_seen, (long long)bytes, (long long)opened, (long long)(last - t0),
         (long long)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 + use.ru_utime.tv_usec + use.ru_stime.tv_usec, (long long)spun[0], (long long)spun[1]);
  print_samples("latency_us", &latency);
  print_samples("first_event_us", &first_event);
  print_samples("delay_us", &delay);
  print_samples("refusal_us", &refusal);
  printf(",\"refused_with_wait\":%lld", (long long)refused_with_wait);
  printf(",\"error\":\"%s\"}\n", first_error);
  return 0;
}
