package mesa

import (
	"io"
	"slices"
)

// DocumentState is where a document stands; documentMoves says how it moves on.
type DocumentState string

// The values of DocumentState.
const (
	Submitted  DocumentState = "SUBMITTED"
	Observed   DocumentState = "OBSERVED"
	Registered DocumentState = "REGISTERED"
	InProcess  DocumentState = "IN_PROCESS"
	Attended   DocumentState = "ATTENDED"
	Archived   DocumentState = "ARCHIVED"
	NotFiled   DocumentState = "NOT_FILED"
	Voided     DocumentState = "VOIDED"
)

// DocumentStates lists them in the order of the schema.
var DocumentStates = []DocumentState{Submitted, Observed, Registered, InProcess, Attended, Archived, NotFiled, Voided}

// MarshalGQL writes the name, null for none.
func (d DocumentState) MarshalGQL(w io.Writer) { writeEnum(w, d) }

// UnmarshalGQL reads a name.
func (d *DocumentState) UnmarshalGQL(v any) error { return readEnum(v, d, DocumentStates) }

// DerivationState is where a leg stands; legMoves says how it moves on.
type DerivationState string

// The values of DerivationState.
const (
	LegPending      DerivationState = "PENDING"
	LegReceived     DerivationState = "RECEIVED"
	LegAttended     DerivationState = "ATTENDED"
	LegRejected     DerivationState = "REJECTED"
	LegReturned     DerivationState = "RETURNED"
	LegRecalled     DerivationState = "RECALLED"
	LegReassigned   DerivationState = "REASSIGNED"
	LegAcknowledged DerivationState = "ACKNOWLEDGED"
	LegClosed       DerivationState = "CLOSED"
)

// DerivationStates lists them in the order of the schema.
var DerivationStates = []DerivationState{LegPending, LegReceived, LegAttended, LegRejected, LegReturned, LegRecalled, LegReassigned, LegAcknowledged, LegClosed}

// MarshalGQL writes the name, null for none.
func (d DerivationState) MarshalGQL(w io.Writer) { writeEnum(w, d) }

// UnmarshalGQL reads a name.
func (d *DerivationState) UnmarshalGQL(v any) error { return readEnum(v, d, DerivationStates) }

// DerivationKind says whether the target must act or only takes note.
type DerivationKind string

// The values of DerivationKind.
const (
	ForAction DerivationKind = "ACTION"
	ForCopy   DerivationKind = "COPY"
)

// DerivationKinds lists them in the order of the schema.
var DerivationKinds = []DerivationKind{ForAction, ForCopy}

// MarshalGQL writes the name, null for none.
func (d DerivationKind) MarshalGQL(w io.Writer) { writeEnum(w, d) }

// UnmarshalGQL reads a name.
func (d *DerivationKind) UnmarshalGQL(v any) error { return readEnum(v, d, DerivationKinds) }

// DerivationOrigin says which act made a leg.
type DerivationOrigin string

// The values of DerivationOrigin.
const (
	OriginSend     DerivationOrigin = "SEND"
	OriginReturn   DerivationOrigin = "RETURN"
	OriginReassign DerivationOrigin = "REASSIGN"
	OriginReopen   DerivationOrigin = "REOPEN"
	OriginRestore  DerivationOrigin = "RESTORE"
)

// DerivationOrigins lists them in the order of the schema.
var DerivationOrigins = []DerivationOrigin{OriginSend, OriginReturn, OriginReassign, OriginReopen, OriginRestore}

// MarshalGQL writes the name, null for none.
func (d DerivationOrigin) MarshalGQL(w io.Writer) { writeEnum(w, d) }

// UnmarshalGQL reads a name.
func (d *DerivationOrigin) UnmarshalGQL(v any) error { return readEnum(v, d, DerivationOrigins) }

// Resolution says whether an attended leg ended the matter or handed it on.
type Resolution string

// The values of Resolution.
const (
	Final     Resolution = "FINAL"
	Forwarded Resolution = "FORWARDED"
)

// Resolutions lists them in the order of the schema.
var Resolutions = []Resolution{Final, Forwarded}

// MarshalGQL writes the name, null for none.
func (r Resolution) MarshalGQL(w io.Writer) { writeEnum(w, r) }

// UnmarshalGQL reads a name.
func (r *Resolution) UnmarshalGQL(v any) error { return readEnum(v, r, Resolutions) }

// NotFiledReason is why the desk declined a submission.
type NotFiledReason string

// The values of NotFiledReason.
const (
	WrongRecipient NotFiledReason = "WRONG_RECIPIENT"
	Duplicate      NotFiledReason = "DUPLICATE"
	Illegible      NotFiledReason = "ILLEGIBLE"
	Spam           NotFiledReason = "SPAM"
)

// NotFiledReasons lists them in the order of the schema.
var NotFiledReasons = []NotFiledReason{WrongRecipient, Duplicate, Illegible, Spam}

// MarshalGQL writes the name, null for none.
func (n NotFiledReason) MarshalGQL(w io.Writer) { writeEnum(w, n) }

// UnmarshalGQL reads a name.
func (n *NotFiledReason) UnmarshalGQL(v any) error { return readEnum(v, n, NotFiledReasons) }

// Outcome is what the institution answered.
type Outcome string

// The values of Outcome.
const (
	OutcomeResponded        Outcome = "RESPONDED"
	OutcomeApproved         Outcome = "APPROVED"
	OutcomeDenied           Outcome = "DENIED"
	OutcomePartial          Outcome = "PARTIAL"
	OutcomeNoAction         Outcome = "NO_ACTION"
	OutcomeForwardedOutside Outcome = "FORWARDED_OUTSIDE"
)

// Outcomes lists them in the order of the schema.
var Outcomes = []Outcome{OutcomeResponded, OutcomeApproved, OutcomeDenied, OutcomePartial, OutcomeNoAction, OutcomeForwardedOutside}

// MarshalGQL writes the name, null for none.
func (o Outcome) MarshalGQL(w io.Writer) { writeEnum(w, o) }

// UnmarshalGQL reads a name.
func (o *Outcome) UnmarshalGQL(v any) error { return readEnum(v, o, Outcomes) }

// Channel is the way a document came in.
type Channel string

// The values of Channel.
const (
	Counter  Channel = "COUNTER"
	Web      Channel = "WEB"
	API      Channel = "API"
	Exchange Channel = "EXCHANGE"
	EMail    Channel = "EMAIL"
)

// Channels lists them in the order of the schema.
var Channels = []Channel{Counter, Web, API, Exchange, EMail}

// MarshalGQL writes the name, null for none.
func (c Channel) MarshalGQL(w io.Writer) { writeEnum(w, c) }

// UnmarshalGQL reads a name.
func (c *Channel) UnmarshalGQL(v any) error { return readEnum(v, c, Channels) }

// Priority orders work; see PriorityRank.
type Priority string

// The values of Priority.
const (
	NormalPriority Priority = "NORMAL"
	HighPriority   Priority = "HIGH"
	UrgentPriority Priority = "URGENT"
)

// Priorities lists them in the order of the schema.
var Priorities = []Priority{NormalPriority, HighPriority, UrgentPriority}

// MarshalGQL writes the name, null for none.
func (p Priority) MarshalGQL(w io.Writer) { writeEnum(w, p) }

// UnmarshalGQL reads a name.
func (p *Priority) UnmarshalGQL(v any) error { return readEnum(v, p, Priorities) }

// Confidentiality says who may see a document, see Actor.Sees.
type Confidentiality string

// The values of Confidentiality.
const (
	Public       Confidentiality = "PUBLIC"
	Restricted   Confidentiality = "RESTRICTED"
	Confidential Confidentiality = "CONFIDENTIAL"
)

// Confidentialities lists them in the order of the schema, each stricter than those before it.
var Confidentialities = []Confidentiality{Public, Restricted, Confidential}

func (c Confidentiality) isStricterThan(other Confidentiality) bool {
	return slices.Index(Confidentialities, c) > slices.Index(Confidentialities, other)
}

// MarshalGQL writes the name, null for none.
func (c Confidentiality) MarshalGQL(w io.Writer) { writeEnum(w, c) }

// UnmarshalGQL reads a name.
func (c *Confidentiality) UnmarshalGQL(v any) error { return readEnum(v, c, Confidentialities) }

// ArchiveClassification is the class under which an archived document is shelved; classCodes gives the letters in its location code.
type ArchiveClassification string

// The values of ArchiveClassification.
const (
	ArchiveGeneral        ArchiveClassification = "GENERAL"
	ArchiveAdministrative ArchiveClassification = "ADMINISTRATIVE"
	ArchiveLegal          ArchiveClassification = "LEGAL"
	ArchiveAccounting     ArchiveClassification = "ACCOUNTING"
	ArchiveHR             ArchiveClassification = "HR"
	ArchiveTechnical      ArchiveClassification = "TECHNICAL"
	ArchiveOther          ArchiveClassification = "OTHER"
)

// ArchiveClassifications lists them in the order of the schema.
var ArchiveClassifications = []ArchiveClassification{ArchiveGeneral, ArchiveAdministrative, ArchiveLegal, ArchiveAccounting, ArchiveHR, ArchiveTechnical, ArchiveOther}

// MarshalGQL writes the name, null for none.
func (a ArchiveClassification) MarshalGQL(w io.Writer) { writeEnum(w, a) }

// UnmarshalGQL reads a name.
func (a *ArchiveClassification) UnmarshalGQL(v any) error {
	return readEnum(v, a, ArchiveClassifications)
}

// ArchiveState is where an archive record stands.
type ArchiveState string

// The values of ArchiveState.
const (
	ArchiveActive   ArchiveState = "ACTIVE"
	ArchiveRestored ArchiveState = "RESTORED"
)

// ArchiveStates lists them in the order of the schema.
var ArchiveStates = []ArchiveState{ArchiveActive, ArchiveRestored}

// MarshalGQL writes the name, null for none.
func (a ArchiveState) MarshalGQL(w io.Writer) { writeEnum(w, a) }

// UnmarshalGQL reads a name.
func (a *ArchiveState) UnmarshalGQL(v any) error { return readEnum(v, a, ArchiveStates) }

// TrayBox is one list of an area's work; db/tray.go says exactly what is in it.
type TrayBox string

// The values of TrayBox.
const (
	TrayToRegister TrayBox = "TO_REGISTER"
	TrayToDerive   TrayBox = "TO_DERIVE"
	TrayToReceive  TrayBox = "TO_RECEIVE"
	TrayInHand     TrayBox = "IN_HAND"
	TrayCopies     TrayBox = "COPIES"
	TrayReturned   TrayBox = "RETURNED"
	TraySent       TrayBox = "SENT"
	TrayObserved   TrayBox = "OBSERVED"
	TrayOverdue    TrayBox = "OVERDUE"
	TrayDueSoon    TrayBox = "DUE_SOON"
	TrayAttended   TrayBox = "ATTENDED"
	TrayToArchive  TrayBox = "TO_ARCHIVE"
	TrayWatched    TrayBox = "WATCHED"
)

// TrayBoxes lists them in the order of the schema.
var TrayBoxes = []TrayBox{TrayToRegister, TrayToDerive, TrayToReceive, TrayInHand, TrayCopies, TrayReturned, TraySent, TrayObserved, TrayOverdue, TrayDueSoon, TrayAttended, TrayToArchive, TrayWatched}

// MarshalGQL writes the name, null for none.
func (t TrayBox) MarshalGQL(w io.Writer) { writeEnum(w, t) }

// UnmarshalGQL reads a name.
func (t *TrayBox) UnmarshalGQL(v any) error { return readEnum(v, t, TrayBoxes) }

// ActorKind says what kind of actor caused an event.
type ActorKind string

// The values of ActorKind.
const (
	ActorUser   ActorKind = "USER"
	ActorAPIKey ActorKind = "API_KEY"
	ActorSystem ActorKind = "SYSTEM"
	ActorPublic ActorKind = "PUBLIC"
)

// ActorKinds lists them in the order of the schema.
var ActorKinds = []ActorKind{ActorUser, ActorAPIKey, ActorSystem, ActorPublic}

// MarshalGQL writes the name, null for none.
func (a ActorKind) MarshalGQL(w io.Writer) { writeEnum(w, a) }

// UnmarshalGQL reads a name.
func (a *ActorKind) UnmarshalGQL(v any) error { return readEnum(v, a, ActorKinds) }

// PriorityRank orders priorities: 1 is the most urgent. It is stored beside the name so that SQL can sort by it.
func PriorityRank(p Priority) int {
	switch p {
	case UrgentPriority:
		return 1
	case HighPriority:
		return 2
	default:
		return 3
	}
}

// IsOpen says that the institution still owes something: submitted, observed, registered or in process.
func (d DocumentState) IsOpen() bool {
	return d == Submitted || d == Observed || d == Registered || d == InProcess
}

// IsClosed says that the document no longer changes: archived, not filed or voided.
func (d DocumentState) IsClosed() bool { return d == Archived || d == NotFiled || d == Voided }

// IsOpen says that somebody must still do something with the leg.
func (d DerivationState) IsOpen() bool { return d == LegPending || d == LegReceived }
