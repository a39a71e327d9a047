import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Gauge, Registry, type MetricValue } from 'prom-client'
import type { Route } from './route.ts'
import type { ProbeGauges, Services } from './services.ts'

export interface Metrics {
  /** Counts a finished exchange; `route` is null for addresses that do not exist. */
  observe(route: Route | null, status: number, ms: number): void
  render(): Promise<string>
  readonly type: string
  close(): void
}

/** Upper bounds in seconds: from an answer out of memory to a long stream. */
const BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]

interface Series {
  readonly labels: Readonly<Record<string, string>>
  readonly buckets: Float64Array
  sum: number
  count: number
}

/**
 * The figures of the server for Prometheus. A request costs two array increments: the series are kept here and put
 * into Prometheus' form only when somebody asks, since prom-client hashes the labels at every observation.
 */
export function createMetrics(given: {
  inFlight(): number
  openStreams(): number
  aborted(): number
  readonly load: Pick<Services, 'admission' | 'upstreams' | 'probes'>
}): Metrics {
  const byRoute = new Map<Route | null, Map<number, Series>>()
  const registry = new Registry()
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()

  const gauge = (name: string, help: string, read: () => number) =>
    registry.registerMetric(new Gauge({ name, help, registers: [], collect() { this.set(read()) } }))
  gauge('signalbox_http_requests_in_flight', 'Requests whose response has not ended', given.inFlight)
  gauge('signalbox_http_streams_open', 'Event streams that are open', given.openStreams)
  gauge('signalbox_http_clients_left', 'Requests whose client left before the end, since the start', given.aborted)
  gauge('process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss())
  gauge('nodejs_heap_used_bytes', 'Heap in use', () => process.memoryUsage().heapUsed)
  gauge('process_cpu_seconds', 'CPU time of the process, user and system, since its start', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  gauge('nodejs_eventloop_lag_p50_seconds', 'Event loop delay since the last scrape, median', () => seconds(delay.percentile(50)))
  gauge('nodejs_eventloop_lag_max_seconds', 'Event loop delay since the last scrape, most', () => seconds(delay.max))
  gauge('nodejs_eventloop_lag_p99_seconds', 'Event loop delay since the last scrape, 99th percentile', () => {
    const p99 = seconds(delay.percentile(99))
    // Collected last of the three: it begins the next window.
    delay.reset()
    return p99
  })
  registry.registerMetric(durations(byRoute))
  registerLoad(registry, given.load)
  let probes: ProbeGauges | null = null
  registerProbes(registry, () => probes)

  return {
    observe(route, status, ms) {
      let series = byRoute.get(route)?.get(status)
      if (!series) {
        const statuses = byRoute.get(route) ?? new Map<number, Series>()
        byRoute.set(route, statuses)
        series = { labels: { route: route?.name ?? 'none', status: String(status) }, buckets: new Float64Array(BUCKETS.length), sum: 0, count: 0 }
        statuses.set(status, series)
      }
      const s = ms / 1000
      series.sum += s
      series.count++
      for (let i = 0; i < BUCKETS.length; i++) {
        if (s <= BUCKETS[i]!) {
          series.buckets[i]!++
          break
        }
      }
    },
    async render() {
      // Read from the database: what cannot be read is left out, and the rest is told.
      probes = await given.load.probes?.().catch(() => null) ?? null
      return registry.metrics()
    },
    type: registry.contentType,
    close: () => delay.disable(),
  }
}

type Values<L extends string> = readonly (readonly [number, Record<L, string>])[]

/** A gauge that is read when somebody asks, in as many series as there are then. */
function register<L extends string>(registry: Registry, name: string, help: string, labelNames: readonly L[], read: () => Values<L>): void {
  registry.registerMetric(new Gauge({
    name, help, labelNames, registers: [],
    collect() {
      this.reset()
      for (const [value, labels] of read()) this.set(labels, value)
    },
  }))
}

/** What probes found and cost; nothing where none are sent. */
function registerProbes(registry: Registry, told: () => ProbeGauges | null): void {
  const one = (name: string, help: string, of: (gauges: ProbeGauges) => number): void =>
    register(registry, name, help, [], () => {
      const gauges = told()
      return gauges === null ? [] : [[of(gauges), {}]]
    })
  one('signalbox_probes_endpoints', 'Endpoints that are probed while nobody calls them', ({ endpoints }) => endpoints)
  one('signalbox_probes_down', 'Of those, the ones that did not answer their last probes', ({ down }) => down)
  one('signalbox_probes_sent_this_month', 'Probes sent this month (UTC), by all nodes', ({ sent }) => sent)
  one('signalbox_probes_spent_dollars', 'What they cost, with the most that those under way can', ({ spentUsd }) => spentUsd)
  one('signalbox_probes_budget_dollars', 'What they may cost in a month', ({ budgetUsd }) => budgetUsd)
}

/** What is under way, what waits and what was turned away: in all, and at each provider that was called. */
function registerLoad(registry: Registry, { admission, upstreams }: Pick<Services, 'admission' | 'upstreams'>): void {
  const family = <L extends string>(name: string, help: string, labelNames: readonly L[], read: () => Values<L>): void =>
    register(registry, name, help, labelNames, read)
  if (admission) {
    const { figures } = admission
    family('signalbox_calls_running', 'Calls of models that are under way', [], () => [[figures().running, {}]])
    family('signalbox_calls_limit', 'Calls of models that may be under way', [], () => [[figures().limit, {}]])
    family('signalbox_calls_shed_share', 'The part of all calls that is turned away because the event loop is late, 0 to 1', [],
      () => [[figures().shedding, {}]])
    family('signalbox_memory_limit_bytes', 'Resident memory near which calls are turned away; 0 where nothing limits it', [],
      () => [[figures().memoryLimit, {}]])
    family('signalbox_calls_waiting', 'Calls that wait for a place, by class of traffic', ['class'],
      () => Object.entries(figures().waiting).map(([name, count]) => [count, { class: name }]))
    family('signalbox_calls_refused', 'Calls that were turned away since the start, by class of traffic and reason', ['class', 'reason'],
      () => figures().refused.map(({ class: name, why, count }) => [count, { class: name, reason: why }]))
  }
  if (upstreams) {
    const { figures } = upstreams
    const each = (of: (one: ReturnType<typeof figures>[number]) => number) => () =>
      figures().map((one) => [of(one), { provider: one.provider }] as const)
    family('signalbox_upstream_calls_running', 'Attempts that are under way at a provider', ['provider'], each(({ running }) => running))
    family('signalbox_upstream_calls_limit', 'Attempts that may be under way at a provider', ['provider'], each(({ limit }) => limit))
    family('signalbox_upstream_calls_waiting', 'Calls that wait for a place at a provider', ['provider'], each(({ waiting }) => waiting))
    family('signalbox_upstream_calls_full', 'How often a provider had no place for an attempt, since the start', ['provider'], each(({ full }) => full))
  }
}

/** A histogram in prom-client's own form, made from our series at the time of a scrape. */
function durations(byRoute: ReadonlyMap<Route | null, ReadonlyMap<number, Series>>): Gauge {
  const name = 'signalbox_http_request_duration_seconds'
  const values = () => {
    const rows: (MetricValue<string> & { metricName: string })[] = []
    for (const statuses of byRoute.values()) {
      for (const { labels, buckets, sum, count } of statuses.values()) {
        let below = 0
        BUCKETS.forEach((bound, i) => {
          below += buckets[i]!
          rows.push({ metricName: `${name}_bucket`, labels: { ...labels, le: String(bound) }, value: below })
        })
        rows.push({ metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count })
        rows.push({ metricName: `${name}_sum`, labels, value: sum })
        rows.push({ metricName: `${name}_count`, labels, value: count })
      }
    }
    return rows
  }
  const metric = {
    name,
    get: async () => ({
      name, help: 'From the head of a request to the last byte of its response', type: 'histogram', aggregator: 'sum', values: values(),
    }),
  }
  // The registry calls nothing but `name` and `get`; prom-client has no type for a metric that is not its own.
  return metric as unknown as Gauge
}

function seconds(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? nanoseconds / 1e9 : 0
}
