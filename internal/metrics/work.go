package metrics

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mesapartes/mesa/mesa"
)

// Metrics are what a process counts while it works. A nil one counts nothing.
type Metrics struct {
	operations, batches, jobs *prometheus.HistogramVec
	errors, attempts          *prometheus.CounterVec
}

// Operation is by what operations are counted. Both values have to be from a bounded set: each makes time series that stay. "" is Other.
type Operation struct{ Name, Type string }

// Other is what is not known.
const Other = "other"

// Outcome is how an operation ended for whoever asked.
type Outcome string

// Outcomes of operations.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused" // with an error that the client can do something about
	Failed  Outcome = "failed"  // with INTERNAL or TIMEOUT
)

// Fenced is the outcome of a job that was given to another worker meanwhile, beside the states in which an attempt leaves a job.
const Fenced = "FENCED"

var (
	operationBuckets = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30} // up to the time that an operation has
	batchBuckets     = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}                // up to the largest batch
	jobBuckets       = []float64{.01, .05, .1, .5, 1, 5, 15, 60, 300, 1800}               // up to the time that a job has
)

// New makes counters that stand at zero.
func New() *Metrics {
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		operations: histogram("mesa_operation_seconds", "Time of operations, of subscriptions that until they begin; by the name of the trusted document, else the first root field.",
			operationBuckets, "operation", "type", "outcome"),
		batches:  histogram("mesa_loader_batch_size", "Keys that a loader asked the database for at once.", batchBuckets, "loader"),
		jobs:     histogram("mesa_job_seconds", "Time of attempts at jobs.", jobBuckets, "kind"),
		attempts: counter("mesa_job_attempts_total", "Attempts at jobs, by the state in which they left the job; FENCED: it was given to another worker meanwhile.", "kind", "outcome"),
		errors:   counter("mesa_errors_total", "Errors that clients were told, by code (docs/errors.md).", "code"),
	}
	m.begin()
	return m
}

// begin makes the counters of what is known stand at zero: of one that appears with its first event a rate shows nothing.
func (m *Metrics) begin() {
	for _, row := range mesa.ErrorCodes {
		m.errors.WithLabelValues(string(row.Code))
	}
	for _, kind := range mesa.JobKinds {
		m.jobs.WithLabelValues(string(kind))
		m.attempts.WithLabelValues(string(kind), Fenced)
		for _, state := range mesa.JobStates {
			if state != mesa.JobRunning {
				m.attempts.WithLabelValues(string(kind), string(state))
			}
		}
	}
}

// collectors are those of a Metrics, none of nil.
func (m *Metrics) collectors() []prometheus.Collector {
	if m == nil {
		return nil
	}
	return []prometheus.Collector{m.operations, m.batches, m.jobs, m.attempts, m.errors}
}

// Operation counts an operation and how long it took.
func (m *Metrics) Operation(o Operation, outcome Outcome, took time.Duration) {
	if m != nil {
		m.operations.WithLabelValues(cmp.Or(o.Name, Other), cmp.Or(o.Type, Other), string(outcome)).Observe(took.Seconds())
	}
}

// Error counts an error by its code; one that docs/errors.md does not know is Other.
func (m *Metrics) Error(code mesa.Code) {
	if m == nil {
		return
	}
	for _, row := range mesa.ErrorCodes {
		if row.Code == code {
			m.errors.WithLabelValues(string(code)).Inc()
			return
		}
	}
	m.errors.WithLabelValues(Other).Inc()
}

// Batch counts a batch of a loader.
func (m *Metrics) Batch(loader string, size int) {
	if m != nil {
		m.batches.WithLabelValues(loader).Observe(float64(size))
	}
}

// Job counts an attempt at a job and how long it took; a kind that this program does not know is Other.
func (m *Metrics) Job(kind mesa.JobKind, outcome string, took time.Duration) {
	if m == nil {
		return
	}
	label := string(kind)
	if mesa.PolicyOf(kind).Queue == "" {
		label = Other
	}
	m.jobs.WithLabelValues(label).Observe(took.Seconds())
	m.attempts.WithLabelValues(label, outcome).Inc()
}
