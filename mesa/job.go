package mesa

import (
	"encoding/json"
	"io"
	"math"
	"time"
)

// JobState is where a piece of background work stands. SUCCEEDED, FAILED and CANCELLED are final; FAILED may be retried by hand.
type JobState string

// The states of a job.
const (
	JobQueued    JobState = "QUEUED"
	JobRunning   JobState = "RUNNING"
	JobSucceeded JobState = "SUCCEEDED"
	JobFailed    JobState = "FAILED"
	JobCancelled JobState = "CANCELLED"
)

// JobStates lists the states.
var JobStates = []JobState{JobQueued, JobRunning, JobSucceeded, JobFailed, JobCancelled}

// Ended is the event that records the end of a job of this kind, "" when none does.
func (p *JobPolicy) Ended(s JobState) EventType {
	if p.Noun == "" || !s.IsFinal() {
		return ""
	}
	return EventType(p.Noun + "." + map[JobState]string{JobSucceeded: "completed", JobFailed: "failed", JobCancelled: "cancelled"}[s])
}

// IsFinal says whether nothing more happens by itself.
func (s JobState) IsFinal() bool { return s != JobQueued && s != JobRunning }

// JobPriority is how soon a job is taken among those of its queue.
type JobPriority string

// The priorities.
const (
	JobHigh   JobPriority = "HIGH"
	JobNormal JobPriority = "NORMAL"
	JobLow    JobPriority = "LOW"
)

// JobPriorities lists the priorities, the most urgent first.
var JobPriorities = []JobPriority{JobHigh, JobNormal, JobLow}

// Rank is 1 for the most urgent; an unknown priority is the usual one.
func (p JobPriority) Rank() int {
	for i, one := range JobPriorities {
		if one == p {
			return i + 1
		}
	}
	return 2
}

// JobKind is a kind of background work.
type JobKind string

// The kinds of work.
const (
	JobDiagnostic JobKind = "DIAGNOSTIC"         // does what it is told to, to try the queue
	JobReport     JobKind = "REPORT"             // writes the file of a report
	JobDeadlines  JobKind = "DEADLINES"          // tells of what is due soon or late
	JobRetention  JobKind = "RETENTION"          // deletes what was kept for long enough
	JobUpkeep     JobKind = "DATABASE_UPKEEP"    // keeps the database's statistics fresh
	JobCheckpoint JobKind = "AUDIT_CHECKPOINT"   // notes how far the chain of the audit trail is
	JobDigest     JobKind = "SLOW_QUERY_DIGEST"  // tells of the statements that were slow
	JobWarmUp     JobKind = "STATISTICS_WARM_UP" // reads what the figures of the morning are made from
	JobSend       JobKind = "EXCHANGE_SEND"      // sends a document to another institution
	JobSync       JobKind = "EXCHANGE_SYNC"      // asks another institution how what was sent to it stands
	JobPoll       JobKind = "EXCHANGE_POLL"      // adds an EXCHANGE_SYNC for each institution
	JobProbe      JobKind = "PROBE"              // does nothing: whoever adds it looks whether a worker takes it
)

// JobPolicy is how a kind of work is run.
type JobPolicy struct {
	Kind        JobKind
	Queue       string
	MaxAttempts int           // failures of the work itself; that a worker was lost counts apart
	Timeout     time.Duration // of one attempt
	Base, Cap   time.Duration // of the wait after a failure
	KeepFor     time.Duration // after the end
	Noun        string        // of the event that records its end, such as "report" in report.completed; "" records none
}

const day = 24 * time.Hour

// JobKinds lists the kinds, in the order of JobPolicies.
var JobKinds = jobKinds()

func jobKinds() (kinds []JobKind) {
	for _, p := range JobPolicies {
		kinds = append(kinds, p.Kind)
	}
	return kinds
}

// JobPolicies is the table of kinds.
var JobPolicies = []JobPolicy{
	{JobDiagnostic, "default", 3, 10 * time.Minute, time.Second, time.Minute, day, "job"},
	{JobReport, "reports", 3, 10 * time.Minute, 2 * time.Second, time.Minute, 365 * day, "report"},
	{JobDeadlines, "maintenance", 3, 5 * time.Minute, 5 * time.Second, 15 * time.Minute, 7 * day, ""},
	{JobRetention, "maintenance", 3, 5 * time.Minute, 5 * time.Second, 15 * time.Minute, 7 * day, ""},
	{JobUpkeep, "maintenance", 3, 30 * time.Minute, 5 * time.Second, 15 * time.Minute, 7 * day, ""},
	{JobDigest, "maintenance", 3, 5 * time.Minute, 5 * time.Second, 15 * time.Minute, 30 * day, ""},
	{JobWarmUp, "maintenance", 1, 10 * time.Minute, 5 * time.Second, 15 * time.Minute, 7 * day, ""},
	{JobCheckpoint, "maintenance", 3, 5 * time.Minute, 5 * time.Second, 15 * time.Minute, 7 * day, ""},
	{JobSend, "exchange", DefaultMaxAttempts, 5 * time.Minute, time.Minute, 12 * time.Hour, 7 * day, ""},
	{JobSync, "exchange", 3, 30 * time.Minute, time.Minute, 15 * time.Minute, day, ""},
	{JobPoll, "exchange", 3, time.Minute, 5 * time.Second, time.Minute, day, ""},
	{JobProbe, "default", 1, time.Minute, time.Second, time.Minute, time.Hour, ""},
}

// PolicyOf is the policy of a kind. One that this program does not know has a policy without a queue: a newer program added it.
func PolicyOf(kind JobKind) *JobPolicy {
	for i := range JobPolicies {
		if JobPolicies[i].Kind == kind {
			return &JobPolicies[i]
		}
	}
	return &JobPolicy{Kind: kind, MaxAttempts: 3, Timeout: time.Minute, Base: time.Minute, Cap: time.Hour, KeepFor: 7 * day}
}

// JobQueue is a line of work with its own bound on how much runs at once in one process.
type JobQueue struct {
	Name        string
	Concurrency int
}

// JobQueues is the table of queues.
var JobQueues = []JobQueue{{"default", 4}, {"reports", 2}, {"maintenance", 1}, {"exchange", 4}}

// MaxCrashes is how often a worker may be lost with a job before the job is taken to be the cause.
const MaxCrashes = 3

// Why a job failed, beyond what its kind says.
const (
	JobWorkerLost = "WORKER_LOST"  // its worker stopped saying that it works
	JobCrashLoop  = "CRASH_LOOP"   // that happened too often
	JobUnknown    = "UNKNOWN_KIND" // a newer program added it
	JobPanicked   = "PANIC"
	JobTimedOut   = "TIMEOUT"
	JobErrored    = "ERROR"
)

// Job is one piece of background work. The row decides: whoever holds its Epoch and is its Worker may write to it.
type Job struct {
	ID                JobID `bun:",pk"`
	Kind              JobKind
	Queue             string
	Priority          int // Rank of its JobPriority
	State             JobState
	Epoch             int64 // rises whenever the job is given to somebody or taken from them; never falls
	Rev               int64 // rises with every change that can be seen
	Attempt           int   // failures so far
	MaxAttempts       int
	Crashes           int // lost workers so far
	CreatedAt         time.Time
	RunAt             time.Time
	AnnouncedAt       *time.Time
	Worker            Text       `bun:",nullzero"` // who has it, or had it last
	LeaseUntil        *time.Time // until when the worker need not say again that it works; on the database's clock
	ClaimedAt         *time.Time // when the worker took it
	StartedAt         *time.Time // of the first attempt
	FinishedAt        *time.Time
	CancelRequestedAt *time.Time
	Progress          int             // 0 to 100, never falls
	Done              int64           // pieces of work done in this attempt
	Total             int64           // pieces of work there are, 0 when nobody knows
	About             string          `bun:",nullzero"` // id of what it is for
	Args              json.RawMessage `bun:"type:jsonb"`
	Result            json.RawMessage `bun:"type:jsonb,nullzero"`
	ErrorCode         Text            `bun:",nullzero"`
	LastError         Text            `bun:",nullzero"`
	UniqueKey         Text            `bun:",nullzero"` // one job of a key waits or runs
	ExclusiveKey      Text            `bun:",nullzero"` // one job of a key runs
	RequestedByID     UserID          `bun:",nullzero"`
	ExpiresAt         *time.Time
	Traceparent       string `bun:",nullzero"` // of the span in which it was asked for, when that was traced
}

// IsNode marks a type that node(id:) finds.
func (Job) IsNode() {}

// PriorityName is the priority by its name.
func (j *Job) PriorityName() JobPriority {
	return JobPriorities[min(max(j.Priority, 1), len(JobPriorities))-1]
}

// JobAttempt is one time that a worker took a job.
type JobAttempt struct {
	JobID     JobID `bun:",pk"`
	Epoch     int64 `bun:",pk"`
	Worker    string
	StartedAt time.Time
	EndedAt   *time.Time
	Outcome   AttemptOutcome // "" while it runs
	ErrorCode Text           `bun:",nullzero"`
}

// AttemptOutcome is how an attempt ended.
type AttemptOutcome string

// Outcomes of attempts.
const (
	AttemptSucceeded AttemptOutcome = "SUCCEEDED"
	AttemptFailed    AttemptOutcome = "FAILED"
	AttemptCancelled AttemptOutcome = "CANCELLED"
	AttemptReleased  AttemptOutcome = "RELEASED" // handed back: its worker stops, or the work can be done only later
	AttemptLost      AttemptOutcome = "LOST"     // its worker was lost
)

// Running is the attempt that runs, nil when none does.
func (j *Job) Running() *JobAttempt {
	if j.State != JobRunning {
		return nil
	}
	return &JobAttempt{JobID: j.ID, Epoch: j.Epoch, Worker: string(j.Worker), StartedAt: *j.ClaimedAt}
}

// CancelOutcome is what became of a request to cancel a job.
type CancelOutcome string

// The outcomes of a request to cancel.
const (
	CancelDone      CancelOutcome = "CANCELLED"        // it had not begun
	CancelRequested CancelOutcome = "REQUESTED"        // its worker is told, and stops within seconds if the work allows it
	AlreadyFinished CancelOutcome = "ALREADY_FINISHED" // it stays as it ended
)

// RetryAfter is the wait after the n-th failure: base·2ⁿ⁻¹, at most limit, times a random share from one half to one (jitter 0 to 1).
func (p *JobPolicy) RetryAfter(failures int, jitter float64) time.Duration {
	wait := math.Min(float64(p.Base)*math.Pow(2, float64(failures-1)), float64(p.Cap))
	return time.Duration(wait * (0.5 + jitter/2))
}

// JobFilter is conditions on jobs; all given ones must hold.
type JobFilter struct {
	States []JobState
	Kinds  []JobKind
	Queues []string
}

// QueueState is how a queue stands.
type QueueState struct {
	Name      string
	Depth     int // jobs that wait
	Running   int
	Failed    int // jobs that failed and are still kept
	Paused    bool
	OldestAge *int // seconds that the job waits which is due for longest, nil when none is due
}

// Worker is a process that works.
type Worker struct {
	ID         string `bun:",pk"`
	Host       string
	StartedAt  time.Time
	LastSeenAt time.Time
	Running    int
}

// MarshalGQL writes the name, null for none.
func (s JobState) MarshalGQL(w io.Writer) { writeEnum(w, s) }

// UnmarshalGQL reads a name.
func (s *JobState) UnmarshalGQL(v any) error { return readEnum(v, s, JobStates) }

// MarshalGQL writes the name, null for none.
func (p JobPriority) MarshalGQL(w io.Writer) { writeEnum(w, p) }

// UnmarshalGQL reads a name.
func (p *JobPriority) UnmarshalGQL(v any) error { return readEnum(v, p, JobPriorities) }

// MarshalGQL writes the name, null for none.
func (k JobKind) MarshalGQL(w io.Writer) { writeEnum(w, k) }

// UnmarshalGQL reads a name.
func (k *JobKind) UnmarshalGQL(v any) error { return readEnum(v, k, JobKinds) }

// MarshalGQL writes the name, null for none.
func (o AttemptOutcome) MarshalGQL(w io.Writer) { writeEnum(w, o) }

// UnmarshalGQL reads a name.
func (o *AttemptOutcome) UnmarshalGQL(v any) error {
	return readEnum(v, o, []AttemptOutcome{AttemptSucceeded, AttemptFailed, AttemptCancelled, AttemptReleased, AttemptLost})
}

// MarshalGQL writes the name, null for none.
func (o CancelOutcome) MarshalGQL(w io.Writer) { writeEnum(w, o) }

// UnmarshalGQL reads a name.
func (o *CancelOutcome) UnmarshalGQL(v any) error {
	return readEnum(v, o, []CancelOutcome{CancelDone, CancelRequested, AlreadyFinished})
}
