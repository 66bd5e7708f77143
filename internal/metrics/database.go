package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mesapartes/mesa/db"
)

// ofDatabase asks the database when it is asked. What it does not tell in time is missing.
type ofDatabase struct{ *db.DB }

// tellsWithin bounds how long the database may take.
const tellsWithin = 2 * time.Second

var (
	sealLag       = prometheus.NewDesc("mesa_audit_seal_lag_seconds", "Age of the oldest entry of the audit trail that is not sealed, 0 when all are.", nil, nil)
	entriesSealed = prometheus.NewDesc("mesa_audit_sealed_entries", "Entries of the audit trail that are sealed.", nil, nil)
	jobsKept      = prometheus.NewDesc("mesa_jobs", "Jobs that wait, run, or failed and are kept, by queue.", []string{"queue", "state"}, nil)
	workers       = prometheus.NewDesc("mesa_workers", "Processes that work in the background.", nil, nil)
	oldestJob     = prometheus.NewDesc("mesa_jobs_oldest_seconds", "How long the job waits which is due for longest, by queue; 0 when none is due.", []string{"queue"}, nil)
)

// Describe lists the metrics.
func (ofDatabase) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{sealLag, entriesSealed, jobsKept, workers, oldestJob} {
		to <- d
	}
}

// Collect reads them.
func (d ofDatabase) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), tellsWithin)
	defer cancel()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	if s, err := d.SealStanding(ctx); err == nil {
		gauge(sealLag, s.Lag.Seconds())
		gauge(entriesSealed, float64(s.Seq))
	}
	if list, err := d.Workers(ctx); err == nil {
		alive := 0
		for _, w := range list {
			if d.Now().Sub(w.LastSeenAt) < db.WorkerForgottenAfter { // nobody is left to forget the last one
				alive++
			}
		}
		gauge(workers, float64(alive))
	}
	queues, err := d.Queues(ctx)
	if err != nil {
		return
	}
	for _, q := range queues {
		gauge(jobsKept, float64(q.Depth), q.Name, "queued")
		gauge(jobsKept, float64(q.Running), q.Name, "running")
		gauge(jobsKept, float64(q.Failed), q.Name, "failed")
		oldest := 0
		if q.OldestAge != nil {
			oldest = *q.OldestAge
		}
		gauge(oldestJob, float64(oldest), q.Name)
	}
}

// ofStatements reads the figures of the statements of this process.
type ofStatements struct{ *db.DB }

// mostStatements bounds how many kinds of statements are told of: those that took most time.
const mostStatements = 50

var (
	statements       = prometheus.NewDesc("mesa_sql_statements_total", "Executions of a kind of SQL statement, by its fingerprint (queryStats has the text); of the fifty kinds that took most time.", []string{"fingerprint"}, nil)
	statementSeconds = prometheus.NewDesc("mesa_sql_seconds_total", "Time of a kind of SQL statement.", []string{"fingerprint"}, nil)
	slowStatements   = prometheus.NewDesc("mesa_sql_slow_total", "Executions of a kind of SQL statement that were slow.", []string{"fingerprint"}, nil)
)

// Describe lists the metrics.
func (ofStatements) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{statements, statementSeconds, slowStatements} {
		to <- d
	}
}

// Collect reads them.
func (d ofStatements) Collect(to chan<- prometheus.Metric) {
	for _, s := range d.StatementStats(mostStatements) {
		count := func(desc *prometheus.Desc, value float64) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value, s.Fingerprint)
		}
		count(statements, float64(s.Count))
		count(statementSeconds, s.TotalMs()/1000)
		count(slowStatements, float64(s.Slow))
	}
}

// ofPools reads how the connections of this process stand.
type ofPools struct{ *db.DB }

var (
	poolConnections = prometheus.NewDesc("mesa_database_connections", "Connections of this process to the database, by what they are for.", []string{"pool", "state"}, nil)
	poolMost        = prometheus.NewDesc("mesa_database_max_connections", "Connections that this process may open.", []string{"pool"}, nil)
	poolWaits       = prometheus.NewDesc("mesa_database_waits_total", "How often somebody waited for a connection.", []string{"pool"}, nil)
	poolWaitSeconds = prometheus.NewDesc("mesa_database_wait_seconds_total", "How long that took.", []string{"pool"}, nil)
)

// Describe lists the metrics.
func (ofPools) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{poolConnections, poolMost, poolWaits, poolWaitSeconds} {
		to <- d
	}
}

// Collect reads them.
func (d ofPools) Collect(to chan<- prometheus.Metric) {
	for pool, s := range d.Pools() {
		tell := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(desc, kind, value, append([]string{pool}, labels...)...)
		}
		tell(poolConnections, prometheus.GaugeValue, float64(s.InUse), "in_use")
		tell(poolConnections, prometheus.GaugeValue, float64(s.Idle), "idle")
		tell(poolMost, prometheus.GaugeValue, float64(s.MaxOpenConnections))
		tell(poolWaits, prometheus.CounterValue, float64(s.WaitCount))
		tell(poolWaitSeconds, prometheus.CounterValue, s.WaitDuration.Seconds())
	}
}
