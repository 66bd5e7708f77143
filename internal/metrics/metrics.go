// Package metrics shows the figures of a process to Prometheus.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
)

// Process is what the metrics of a process are read from, besides its runtime. What is nil has none.
type Process struct {
	*Metrics
	DB       *db.DB
	Cache    *cache.Cache
	Refusals func() map[string]int64                 // what was refused, by limit
	Open     func() (connections, subscriptions int) // what stays open
}

// Handler answers with the metrics.
func (p Process) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(p.collectors()...)
	registry.MustRegister(ofStatements{p.DB}, ofPools{p.DB}, ofDatabase{p.DB})
	if p.Cache != nil {
		registry.MustRegister(ofCache{p.Cache})
	}
	if p.Refusals != nil {
		registry.MustRegister(ofLimits(p.Refusals))
	}
	if p.Open != nil {
		registry.MustRegister(ofConnections(p.Open))
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// ofCache reads the cache's own counters when it is asked.
type ofCache struct{ *cache.Cache }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("mesa_cache_"+name, help, labels, nil)
}

var (
	requests      = describe("requests_total", "Answers to operations that may be kept, by where they came from and by how long they may be kept (docs/caching.md).", "outcome", "tier")
	fetched       = describe("fetched_total", "Hits that came from Redis.")
	joined        = describe("joined_total", "Hits that waited for somebody else's miss.")
	refreshes     = describe("refreshes_total", "Answers made anew before they expired.")
	unkept        = describe("unkept_total", "Answers that were made and not kept, by reason.", "reason")
	evicted       = describe("evicted_total", "Entries that expired or gave way to others.")
	age           = describe("hit_age_seconds", "Age of the answers given from what was kept.")
	entries       = describe("entries", "Entries in memory.")
	bytes         = describe("bytes", "About what the entries in memory take.")
	maxBytes      = describe("max_bytes", "What the entries in memory may take.")
	invalidations = describe("invalidations_total", "How often something that answers are made from changed, by kind.", "tag")
	found         = describe("found_total", "Changes found in the journal because nobody had told of them.")
	failures      = describe("redis_failures_total", "Commands that Redis did not answer.")
	closed        = describe("redis_in_use", "1 while Redis is used, 0 while it does not answer and where none is configured.")
	connections   = describe("redis_connections", "Connections to Redis.", "state")
	waits         = describe("redis_waits_total", "How often a command waited for a connection to Redis.")
	waitSeconds   = describe("redis_wait_seconds_total", "How long that took.")
	timeouts      = describe("redis_wait_timeouts_total", "How often it got none in time.")
)

// Describe lists the metrics.
func (ofCache) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{requests, fetched, joined, refreshes, unkept, evicted, age, entries, bytes, maxBytes, invalidations, found, failures, closed,
		connections, waits, waitSeconds, timeouts} {
		to <- d
	}
}

// Collect reads them.
func (c ofCache) Collect(to chan<- prometheus.Metric) {
	s := c.Stats()
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
	}
	for tier, asked := range s.ByTier {
		count(requests, asked.Hits, "hit", string(tier))
		count(requests, asked.Misses, "miss", string(tier))
		count(requests, asked.Bypasses, "bypass", string(tier))
	}
	count(fetched, s.Fetched)
	count(joined, s.Joined)
	count(refreshes, s.Refreshes)
	count(unkept, s.Late, "late")
	count(unkept, s.Narrow, "narrow")
	count(unkept, s.Large, "large")
	count(evicted, s.Evicted)
	to <- prometheus.MustNewConstSummary(age, uint64(s.Hits), s.AgeSum.Seconds(), nil)
	gauge(entries, float64(s.Entries))
	gauge(bytes, float64(s.Bytes))
	gauge(maxBytes, float64(s.MaxBytes))
	for kind, n := range s.Moved {
		count(invalidations, n, kind)
	}
	count(found, s.Found)
	count(failures, s.Failures)
	gauge(closed, map[bool]float64{true: 1}[s.Backend == "REDIS" && s.State == cache.Closed])
	if pool := c.Connections(); pool != nil {
		gauge(connections, max(0, float64(pool.TotalConns)-float64(pool.IdleConns)), "in_use") // not read in one moment
		gauge(connections, float64(pool.IdleConns), "idle")
		count(waits, int64(pool.WaitCount))
		count(timeouts, int64(pool.Timeouts))
		to <- prometheus.MustNewConstMetric(waitSeconds, prometheus.CounterValue, time.Duration(pool.WaitDurationNs).Seconds())
	}
}

// ofLimits reads how often each limit refused something.
type ofLimits func() map[string]int64

var refused = prometheus.NewDesc("mesa_refused_total", "Operations refused because of a limit or a rate (docs/limits.md), by its name.", []string{"limit"}, nil)

// Describe lists the metric.
func (ofLimits) Describe(to chan<- *prometheus.Desc) { to <- refused }

// Collect reads it.
func (counts ofLimits) Collect(to chan<- prometheus.Metric) {
	for limit, n := range counts() {
		to <- prometheus.MustNewConstMetric(refused, prometheus.CounterValue, float64(n), limit)
	}
}

// ofConnections reads what stays open.
type ofConnections func() (connections, subscriptions int)

var (
	openConnections   = prometheus.NewDesc("mesa_connections", "WebSockets and event streams that are open.", nil, nil)
	openSubscriptions = prometheus.NewDesc("mesa_subscriptions", "Subscriptions that run.", nil, nil)
)

// Describe lists the metrics.
func (ofConnections) Describe(to chan<- *prometheus.Desc) {
	to <- openConnections
	to <- openSubscriptions
}

// Collect reads them.
func (open ofConnections) Collect(to chan<- prometheus.Metric) {
	connections, subscriptions := open()
	to <- prometheus.MustNewConstMetric(openConnections, prometheus.GaugeValue, float64(connections))
	to <- prometheus.MustNewConstMetric(openSubscriptions, prometheus.GaugeValue, float64(subscriptions))
}
