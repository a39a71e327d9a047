/* The upstream of the bench: an OpenAI-shaped server that costs as little as a server can.
 *
 * One thread, epoll, HTTP/1.1 keep-alive. What it answers is switched between runs, not read from the request, so that
 * every gateway gets the same upstream whatever it does to the body:
 *
 *   GET /__mode?stream=0|1&events=N&gap_ms=N&hang=0|1   stream=0: one JSON reply of 0.9 KB.
 *                                                       stream=1: N events in all, then [DONE]; gap_ms=0 sends them in
 *                                                       one write, otherwise one event each gap_ms.
 *                                                       hang=1: the request is read and never answered.
 *   GET /__stats                                        counters as one JSON object.
 *
 * Bodies are counted and thrown away in the kernel (recv with MSG_TRUNC), so that a 5 MB image costs the mock no copy.
 * Prints "ready <port>" and ends when its parent ends, on SIGTERM, or after the seconds given as the second argument.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 16384
#define WHEEL_MAX 4096

enum body { BODY_NONE, BODY_LENGTH, BODY_CHUNKED };
enum state { READ_HEAD, READ_BODY, ANSWERING };

struct conn {
  int fd;
  enum state state;
  enum body body;
  uint64_t left;        /* bytes of the body still to come */
  int have;             /* bytes in head[] */
  char *head;           /* allocated on demand: ten thousand idle streams must not cost the mock 160 MB */
  int tail_have;        /* last bytes of a chunked body, to find its end */
  char tail[8];
  uint64_t id;          /* of the stream, unique per run */
  int64_t sent;         /* events sent so far */
  char *out;            /* bytes that did not fit into the socket */
  size_t out_len, out_off;
  int slot;             /* of the wheel, -1 when not on it */
  struct conn *prev, *next;
};

static int epfd, timer_fd, timer_on;
#define HUNG WHEEL_MAX /* the slot of requests that are never answered; no tick comes there */
static struct conn *wheel[WHEEL_MAX + 1];
static int64_t paced_open, last_tick; /* streams on the wheel; milliseconds */
static uint64_t next_id, next_slot;

static struct { int stream, hang; int64_t events, gap_ms; } mode = { 0, 0, 50, 0 };
static struct {
  int64_t requests, streaming, body_bytes, answered, streams_started, streams_finished, cut, events, late_ms, conns_open, conns_total;
} stats;

static int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- what is answered ------------------------------------------------------------------------------------------- */

static const char PLAIN_BODY_A[] =
  "{\"id\":\"chatcmpl-";
static const char PLAIN_BODY_B[] =
  "\",\"object\":\"chat.completion\",\"created\":1763600000,\"model\":\"model\",\"choices\":[{\"index\":0,"
  "\"message\":{\"role\":\"assistant\",\"content\":\"A lighthouse keeper writes down each ship that passes, its flag, its "
  "hour and the weather, in one line of a long book. Nobody asked for the book. Years later a harbour master finds it "
  "and learns from it which winds bring ships home early, which captains cut the corner at the reef, and how many "
  "lamps the coast really needs. The keeper was not a scholar; the keeper only wrote each line when it happened.\","
  "\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":212,"
  "\"completion_tokens\":88,\"total_tokens\":300,\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
  "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,"
  "\"rejected_prediction_tokens\":0}},\"service_tier\":\"default\",\"system_fingerprint\":\"fp_5b6f1c2e90\"}";

static const char STREAM_HEAD[] =
  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
  "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n";

/* One event of a stream as one HTTP chunk. Sixteen digits behind the '@' are the moment of sending in microseconds of
 * the monotonic clock, which the generator shares: the delay of the way through the gateway is measured per event. */
static int put_event(char *to, uint64_t id, int64_t at, int64_t total) {
  char json[640];
  const char *head = "data: {\"id\":\"chatcmpl-%012llx\",\"object\":\"chat.completion.chunk\",\"created\":1763600000,"
                     "\"model\":\"model\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_5b6f1c2e90\",";
  int n = snprintf(json, sizeof json, head, (unsigned long long)id);
  if (at == 0)
    n += sprintf(json + n, "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},"
                           "\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n");
  else if (at == total - 2)
    n += sprintf(json + n, "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":null}\n\n");
  else if (at == total - 1)
    n += sprintf(json + n, "\"choices\":[],\"usage\":{\"prompt_tokens\":212,\"completion_tokens\":%lld,\"total_tokens\":%lld,"
                           "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":"
                           "{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,"
                           "\"rejected_prediction_tokens\":0}}}\n\n", (long long)(total - 3), (long long)(total - 3 + 212));
  else
    n += sprintf(json + n, "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" @%016lld\"},\"logprobs\":null,"
                           "\"finish_reason\":null}],\"usage\":null}\n\n", (long long)now_us());
  int k = sprintf(to, "%x\r\n", n);
  memcpy(to + k, json, n);
  memcpy(to + k + n, "\r\n", 2);
  return k + n + 2;
}

static const char STREAM_END[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";

/* Content events are all alike but for id and time: formatted once, then copied and patched (a printf per event was a
 * tenth of the core that mock and generator share). */
static char content_event[640];
static int content_len, content_id, content_at;

static void prepare_content_event(void) {
  content_len = put_event(content_event, 0, 1, 50);
  content_id = (int)((char *)memmem(content_event, content_len, "chatcmpl-", 9) - content_event) + 9;
  content_at = (int)((char *)memchr(content_event, '@', content_len) - content_event) + 1;
}

static char plain_answer[2048];
static int plain_len, plain_id;

static void prepare_plain_answer(void) {
  int body = (int)(sizeof PLAIN_BODY_A - 1 + 12 + sizeof PLAIN_BODY_B - 1);
  plain_len = sprintf(plain_answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s%012d%s",
                      body, PLAIN_BODY_A, 0, PLAIN_BODY_B);
  plain_id = plain_len - body + (int)sizeof PLAIN_BODY_A - 1;
}

static void put_id(char *to, uint64_t id) {
  for (int i = 11; i >= 0; i--, id >>= 4) to[i] = "0123456789abcdef"[id & 15];
}

static int put_next(char *to, struct conn *c, int64_t total) {
  int64_t at = c->sent++;
  stats.events++;
  if (at == 0 || at >= total - 2) return put_event(to, c->id, at, total);
  memcpy(to, content_event, content_len);
  put_id(to + content_id, c->id);
  int64_t t = now_us();
  for (int i = 15; i >= 0; i--, t /= 10) to[content_at + i] = '0' + (char)(t % 10);
  return content_len;
}

/* ---- connections ------------------------------------------------------------------------------------------------ */

static void watch(struct conn *c, uint32_t events, int op) {
  struct epoll_event e = { .events = events, .data.ptr = c };
  epoll_ctl(epfd, op, c->fd, &e);
}

static void wheel_remove(struct conn *c) {
  if (c->slot < 0) return;
  if (c->prev) c->prev->next = c->next; else wheel[c->slot] = c->next;
  if (c->next) c->next->prev = c->prev;
  if (c->slot != HUNG) paced_open--;
  c->slot = -1;
  c->prev = c->next = NULL;
}

static void wheel_put(struct conn *c, int slot) {
  c->slot = slot;
  c->prev = NULL;
  c->next = wheel[slot];
  if (c->next) c->next->prev = c;
  wheel[slot] = c;
}

static void wheel_add(struct conn *c) {
  int size = mode.gap_ms < WHEEL_MAX ? (int)mode.gap_ms : WHEEL_MAX - 1;
  wheel_put(c, (int)(next_slot++ * 7 % (uint64_t)size));
  paced_open++;
  if (!timer_on) {
    struct itimerspec every = { { 0, 1000000 }, { 0, 1000000 } };
    timerfd_settime(timer_fd, 0, &every, NULL);
    timer_on = 1;
    last_tick = now_us() / 1000;
  }
}

/* Closed connections are freed after the batch of events that may still name them. */
static struct conn *graveyard;

static void drop(struct conn *c) {
  if (c->fd < 0) return;
  if (c->state == ANSWERING || c->state == READ_BODY) stats.cut++;
  wheel_remove(c);
  close(c->fd);
  c->fd = -1;
  stats.conns_open--;
  c->next = graveyard;
  graveyard = c;
}

static void bury(void) {
  while (graveyard) {
    struct conn *c = graveyard;
    graveyard = c->next;
    free(c->head);
    free(c->out);
    free(c);
  }
}

static int send_bytes(struct conn *c, const char *data, size_t n) {
  if (!c->out_len) {
    ssize_t w = send(c->fd, data, n, MSG_NOSIGNAL);
    if (w < 0 && errno != EAGAIN) { drop(c); return -1; }
    if (w < 0) w = 0;
    if ((size_t)w == n) return 0;
    data += w;
    n -= w;
    watch(c, EPOLLIN | EPOLLOUT | EPOLLRDHUP, EPOLL_CTL_MOD);
  }
  c->out = realloc(c->out, c->out_len + n);
  memcpy(c->out + c->out_len, data, n);
  c->out_len += n;
  return 0;
}

static void flush_out(struct conn *c) {
  ssize_t w = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);
  if (w < 0) { if (errno != EAGAIN) drop(c); return; }
  c->out_off += w;
  if (c->out_off < c->out_len) return;
  free(c->out);
  c->out = NULL;
  c->out_len = c->out_off = 0;
  watch(c, EPOLLIN | EPOLLRDHUP, EPOLL_CTL_MOD);
}

static void finish(struct conn *c) {
  c->state = READ_HEAD;
  c->have = 0;
  stats.answered++;
}

static void answer(struct conn *c) {
  c->state = ANSWERING;
  if (mode.hang) { wheel_put(c, HUNG); return; }
  c->id = ++next_id;
  if (!mode.stream) {
    put_id(plain_answer + plain_id, c->id);
    if (send_bytes(c, plain_answer, plain_len) == 0) finish(c);
    return;
  }
  stats.streams_started++;
  c->sent = 0;
  if (mode.gap_ms == 0) {
    static char out[1 << 20];
    int n = sizeof STREAM_HEAD - 1;
    memcpy(out, STREAM_HEAD, n);
    while (c->sent < mode.events && n < (int)sizeof out - 1024) n += put_next(out + n, c, mode.events);
    memcpy(out + n, STREAM_END, sizeof STREAM_END - 1);
    n += sizeof STREAM_END - 1;
    if (send_bytes(c, out, n) == 0) { stats.streams_finished++; finish(c); }
    return;
  }
  char out[1024];
  int n = sizeof STREAM_HEAD - 1;
  memcpy(out, STREAM_HEAD, n);
  n += put_next(out + n, c, mode.events);
  if (send_bytes(c, out, n) == 0) wheel_add(c);
}

static void tick(void) {
  uint64_t expired;
  if (read(timer_fd, &expired, 8) < 0) return;
  int size = mode.gap_ms < 1 ? 1 : mode.gap_ms < WHEEL_MAX ? (int)mode.gap_ms : WHEEL_MAX - 1;
  int64_t ms = now_us() / 1000;
  if (ms - last_tick > size) { stats.late_ms += ms - last_tick - size; last_tick = ms - size; }
  while (last_tick < ms) {
    last_tick++;
    for (struct conn *c = wheel[last_tick % size], *next; c; c = next) {
      next = c->next;
      char out[2048];
      int n = put_next(out, c, mode.events);
      int last = c->sent >= mode.events;
      if (last) { memcpy(out + n, STREAM_END, sizeof STREAM_END - 1); n += sizeof STREAM_END - 1; }
      if (last) wheel_remove(c);
      if (send_bytes(c, out, n) == 0 && last) { stats.streams_finished++; finish(c); }
    }
  }
  if (paced_open == 0) {
    struct itimerspec never = { { 0, 0 }, { 0, 0 } };
    timerfd_settime(timer_fd, 0, &never, NULL);
    timer_on = 0;
  }
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

static int64_t query_number(const char *head, const char *name, int64_t otherwise) {
  const char *at = strstr(head, name);
  return at ? atoll(at + strlen(name)) : otherwise;
}

static void control(struct conn *c) {
  char body[768];
  if (!strncmp(c->head, "GET /__mode", 11)) {
    /* What a gateway still holds open belongs to the last run and must not be counted in this one. */
    for (int slot = 0; slot <= HUNG; slot++) while (wheel[slot]) drop(wheel[slot]);
    mode.stream = (int)query_number(c->head, "stream=", 0);
    mode.events = query_number(c->head, "events=", 50);
    mode.gap_ms = query_number(c->head, "gap_ms=", 0);
    mode.hang = (int)query_number(c->head, "hang=", 0);
    memset(&stats.requests, 0, (char *)&stats.conns_open - (char *)&stats.requests);
  }
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  int n = sprintf(body,
    "{\"requests\":%lld,\"streaming\":%lld,\"body_bytes\":%lld,\"answered\":%lld,\"streams_started\":%lld,\"streams_finished\":%lld,"
    "\"cut\":%lld,\"events\":%lld,\"late_ms\":%lld,\"conns_open\":%lld,\"conns_total\":%lld,\"in_progress\":%lld,\"cpu_us\":%lld}",
    (long long)stats.requests, (long long)stats.streaming, (long long)stats.body_bytes, (long long)stats.answered,
    (long long)stats.streams_started, (long long)stats.streams_finished, (long long)stats.cut, (long long)stats.events,
    (long long)stats.late_ms, (long long)stats.conns_open, (long long)stats.conns_total,
    (long long)(stats.requests - stats.answered - stats.cut),
    (long long)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 + use.ru_utime.tv_usec + use.ru_stime.tv_usec);
  char out[1024];
  n = sprintf(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", n, body);
  c->state = READ_HEAD;
  c->have = 0;
  if (send_bytes(c, out, n) == 0) shutdown(c->fd, SHUT_WR);
}

static void take_body(struct conn *c, const char *data, size_t n) {
  stats.body_bytes += (int64_t)n;
  if (c->body == BODY_LENGTH) { c->left -= n < c->left ? n : c->left; return; }
  if (n >= 5) { memcpy(c->tail, data + n - 5, 5); c->tail_have = 5; }
  else {
    int keep = 5 - (int)n < c->tail_have ? 5 - (int)n : c->tail_have;
    memmove(c->tail, c->tail + c->tail_have - keep, keep);
    memcpy(c->tail + keep, data, n);
    c->tail_have = keep + (int)n;
  }
  if (c->tail_have == 5 && !memcmp(c->tail, "0\r\n\r\n", 5)) c->left = 0;
}

/* Headers in, body begun. Returns 1 when the head is whole. */
static int take_head(struct conn *c) {
  c->head[c->have] = 0;
  char *end = memmem(c->head, c->have, "\r\n\r\n", 4);
  if (!end) return 0;
  int head_len = (int)(end + 4 - c->head);
  if (!strncmp(c->head, "GET /__", 7)) { control(c); return 0; }
  *end = 0;
  stats.requests++;
  c->body = BODY_NONE;
  c->left = 0;
  /* By hand: strcasestr over each head was a tenth of the mock's time. */
  for (char *line = memchr(c->head, '\n', end - c->head); line; line = memchr(line, '\n', end - line)) {
    line++;
    if ((*line | 32) == 'c' && !strncasecmp(line, "content-length:", 15)) { c->body = BODY_LENGTH; c->left = strtoull(line + 15, NULL, 10); }
    if ((*line | 32) == 't' && !strncasecmp(line, "transfer-encoding:", 18)) { c->body = BODY_CHUNKED; c->left = 1; break; }
  }
  c->tail_have = 0;
  c->state = READ_BODY;
  int rest = c->have - head_len;
  if (rest > 0) {
    if (memmem(c->head + head_len, rest, "\"stream\":true", 13)) stats.streaming++;
    take_body(c, c->head + head_len, rest);
  }
  return 1;
}

static void readable(struct conn *c) {
  if (c->state == READ_HEAD) {
    if (!c->head) c->head = malloc(HEAD_MAX + 1);
    ssize_t n = recv(c->fd, c->head + c->have, HEAD_MAX - c->have, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0 || c->have + n >= HEAD_MAX + 1) { drop(c); return; }
    c->have += (int)n;
    if (!take_head(c)) { if (c->have >= HEAD_MAX) drop(c); return; }
  } else if (c->state == READ_BODY) {
    if (c->body == BODY_LENGTH) {
      size_t want = c->left < (4u << 20) ? c->left : (4u << 20);
      ssize_t n = recv(c->fd, NULL, want, MSG_TRUNC);
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) { drop(c); return; }
      stats.body_bytes += n;
      c->left -= n;
    } else {
      static char scratch[1 << 18];
      ssize_t n = recv(c->fd, scratch, sizeof scratch, 0);
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) { drop(c); return; }
      take_body(c, scratch, n);
    }
  } else {
    char byte[256];
    ssize_t n = recv(c->fd, byte, sizeof byte, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) drop(c);
    return;
  }
  if (c->fd >= 0 && c->state == READ_BODY && c->left == 0) answer(c);
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc > 2) alarm(atoi(argv[2]));
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  prepare_content_event();
  prepare_plain_answer();

  int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  socklen_t size = sizeof addr;
  if (bind(listener, (struct sockaddr *)&addr, size) || listen(listener, 8192)) { perror("mock"); return 1; }
  getsockname(listener, (struct sockaddr *)&addr, &size);

  epfd = epoll_create1(0);
  timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event e = { .events = EPOLLIN, .data.ptr = &listener };
  epoll_ctl(epfd, EPOLL_CTL_ADD, listener, &e);
  e.data.ptr = &timer_fd;
  epoll_ctl(epfd, EPOLL_CTL_ADD, timer_fd, &e);
  printf("ready %d\n", ntohs(addr.sin_port));
  fflush(stdout);

  struct epoll_event events[512];
  for (;;) {
    int n = epoll_wait(epfd, events, 512, -1);
    for (int i = 0; i < n; i++) {
      void *who = events[i].data.ptr;
      if (who == &timer_fd) { tick(); continue; }
      if (who == &listener) {
        for (int k = 0; k < 256; k++) {
          int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
          if (fd < 0) break;
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          struct conn *c = calloc(1, sizeof *c);
          c->fd = fd;
          c->slot = -1;
          stats.conns_open++;
          stats.conns_total++;
          watch(c, EPOLLIN | EPOLLRDHUP, EPOLL_CTL_ADD);
        }
        continue;
      }
      struct conn *c = who;
      if (c->fd < 0) continue;
      if (events[i].events & EPOLLOUT) flush_out(c);
      if (c->fd >= 0 && (events[i].events & (EPOLLERR | EPOLLHUP))) { drop(c); continue; }
      if (c->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLRDHUP))) readable(c);
    }
    bury();
  }
}
