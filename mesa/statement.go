package mesa

import (
	"math/bits"
	"time"
)

// StatementStats are figures of SQL statements that differ in nothing but their literals.
type StatementStats struct {
	Fingerprint string    // 16 hexadecimal digits, the same in all processes
	SQL         string    // the text with ? for literals, at most MaxStatement bytes
	Operation   Text      `bun:",nullzero"` // GraphQL operation or job that caused the slowest one, "" when it was none
	Field       Text      `bun:",nullzero"` // field or loader of that operation
	Count       int64     // executions
	Slow        int64     // those that took as long as the setting says
	Failed      int64     // those that ended in an error
	Rows        int64     // read or changed, as far as the driver says
	TotalUs     int64     // microseconds of all
	MaxUs       int64     // microseconds of the slowest
	Times       Histogram `bun:"type:jsonb"` // microseconds, each rounded up to three binary digits
	LastSeenAt  time.Time
}

// MaxStatement is how much of a statement's text is kept, in bytes.
const MaxStatement = 4000

// Add counts one execution more.
func (s *StatementStats) Add(took time.Duration, rows int64, at time.Time) {
	us := took.Microseconds()
	s.Count++
	s.Rows += rows
	s.TotalUs += us
	s.MaxUs = max(s.MaxUs, us)
	s.Times.Add(coarse(us), 1)
	s.LastSeenAt = at
}

// Merge adds the figures of the same statement from elsewhere.
func (s *StatementStats) Merge(other *StatementStats) {
	if other.MaxUs > s.MaxUs {
		s.MaxUs, s.Operation, s.Field = other.MaxUs, other.Operation, other.Field
	}
	if other.LastSeenAt.After(s.LastSeenAt) {
		s.LastSeenAt = other.LastSeenAt
	}
	s.Count += other.Count
	s.Slow += other.Slow
	s.Failed += other.Failed
	s.Rows += other.Rows
	s.TotalUs += other.TotalUs
	for value, n := range other.Times {
		s.Times.Add(value, n)
	}
}

// TotalMs is what all executions took together, in milliseconds.
func (s *StatementStats) TotalMs() float64 { return float64(s.TotalUs) / 1000 }

// MeanMs is what an execution took on average, in milliseconds.
func (s *StatementStats) MeanMs() float64 { return s.TotalMs() / float64(max(s.Count, 1)) }

// P95Ms is what 95 in a hundred executions did not exceed, in milliseconds; at most a quarter too much.
func (s *StatementStats) P95Ms() float64 {
	return float64(min(int64(s.Times.Percentile(95)), s.MaxUs)) / 1000
}

// MaxMs is what the slowest execution took, in milliseconds.
func (s *StatementStats) MaxMs() float64 { return float64(s.MaxUs) / 1000 }

// coarse rounds up to three binary digits, so that a histogram has few values.
func coarse(us int64) int {
	shift := max(bits.Len64(uint64(us))-3, 0)
	step := int64(1) << shift
	return int((us + step - 1) &^ (step - 1))
}

// Explanation is what a GraphQL query costs the database.
type Explanation struct {
	DurationMs float64
	Errors     []string // sentences; the statements until then are there all the same
	Statements []*ExplainedStatement
}

// ExplainedStatement is how the database carries out a statement.
type ExplainedStatement struct {
	SQL        string // at most MaxStatement bytes
	Field      string // field or loader that caused it, "" when none did
	DurationMs float64
	Rows       int64  // read or changed, as far as the driver says
	Plan       string // a step a line, "" for what cannot be explained
	Advice     []Advice
}

// Advice is what could be better about a statement.
type Advice struct {
	Severity AdviceSeverity
	Text     string
}

// AdviceSeverity is how much an advice matters.
type AdviceSeverity string

// The severities.
const (
	AdviceInfo    AdviceSeverity = "INFO"
	AdviceWarning AdviceSeverity = "WARNING" // it costs time, and more so as the tables grow
)
