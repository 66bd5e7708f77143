package mesa

import (
	"strings"
	"time"
)

// Document is one registered item (expediente). State, holder and due date follow from its legs and facts; only File changes them.
type Document struct {
	ID               DocumentID   `bun:",pk"`
	FileNumber       Text         `bun:",nullzero"` // null until registered
	RegistryID       RegistryID   `bun:",nullzero"`
	Year             int          `bun:",nullzero"`
	Seq              int64        `bun:",nullzero"` // orders file numbers, whatever their width
	TrackingCode     TrackingCode // unguessable
	State            DocumentState
	CameFrom         DocumentState `bun:",nullzero"` // the state before ARCHIVED, for restoring
	Version          int           // +1 at every change
	Channel          Channel
	SubmittedAt      time.Time
	FiledOn          Date
	FilingPolicy     FilingPolicy // in force when it was filed
	RegisteredAt     time.Time    `bun:",nullzero"`
	RegisteredByID   UserID       `bun:",nullzero"`
	ListedAt         time.Time    // RegisteredAt, before that SubmittedAt: the default order of lists
	DeskAreaID       AreaID       // the desk that registered it, or has to, and answers for it
	TypeID           DocumentTypeID
	CategoryID       CategoryID `bun:",nullzero"`
	SenderID         PartyID    `bun:",nullzero"`
	Sender           Sender     `bun:"embed:sender_"` // snapshot as of registration
	Subject          string
	Folios           int
	AnnexDescription Text `bun:",nullzero"`
	ExternalNumber   Text `bun:",nullzero"`
	DocumentDate     Date `bun:",nullzero"`
	Priority         Priority
	PriorityRank     int // see PriorityRank
	Confidentiality  Confidentiality
	DueOn            Date `bun:",nullzero"`
	DueSource        DueSource
	TermDays         int            `bun:",nullzero"` // business days, of the procedure or type
	ManualDueOn      Date           `bun:",nullzero"`
	RelatedID        DocumentID     `bun:",nullzero"`
	Tags             []string       `bun:",type:jsonb"`
	Notes            Text           `bun:",nullzero"`
	CurrentAreaID    AreaID         // the holder: target of the open lead leg, the desk when there is none
	CurrentAreaIDs   []AreaID       `bun:"current_area_ids,type:jsonb"` // every area with an open ACTION leg
	AssigneeID       UserID         `bun:",nullzero"`                   // of the open lead leg
	OpenedAt         time.Time      // last registration, reopening or restoring: ATTENDED counts legs since then
	AttendedAt       time.Time      `bun:",nullzero"`
	AttendedOn       Date           `bun:",nullzero"`
	Outcome          Outcome        `bun:",nullzero"`
	VoidReason       Text           `bun:",nullzero"`
	NotFiledReason   NotFiledReason `bun:",nullzero"`
	NotFiledText     Text           `bun:",nullzero"` // what the desk says to the sender
	IntegrationID    string         `bun:",nullzero"` // the machine that submitted it: the id of its API key
	ExternalID       Text           `bun:",nullzero"` // that machine's own id of it
	CreatedAt        time.Time
}

// IsNode marks a type that node(id:) finds.
func (Document) IsNode() {}

// Deadline is the document's due date as facts; Calendar.DueOn works it out.
func (d *Document) Deadline() Deadline {
	return Deadline{FiledOn: d.FiledOn, Source: d.DueSource, Term: d.TermDays, Manual: d.ManualDueOn}
}

// IsPaused says that the clock stands still because the document is observed.
func (d *Document) IsPaused() bool { return d.State == Observed }

// SearchTerms is all that a free-text search looks at; a tracking code is found by itself.
func (d *Document) SearchTerms() string {
	return strings.Join([]string{
		string(d.FileNumber), string(d.ExternalNumber), d.Sender.Name, string(d.Sender.IDNumber), d.Subject,
	}, " ")
}

// Derivation is one leg of a document's route: a hand-over from an area to another.
type Derivation struct {
	ID               DerivationID `bun:",pk"`
	Number           string
	DocumentID       DocumentID
	BatchID          BatchID // legs sent together
	Kind             DerivationKind
	PurposeCode      string `bun:",nullzero"`
	FromID           AreaID
	ToID             AreaID
	AssigneeID       UserID       `bun:",nullzero"`
	PreviousID       DerivationID `bun:",nullzero"` // the leg that this one continues or returns
	Origin           DerivationOrigin
	IsLead           bool
	SentByID         UserID `bun:",nullzero"`
	SentAt           time.Time
	Instructions     string
	Urgent           bool
	RequiresResponse bool
	DueOn            Date `bun:",nullzero"`
	State            DerivationState
	ReceivedByID     UserID     `bun:",nullzero"`
	ReceivedAt       time.Time  `bun:",nullzero"`
	ReceivedOn       Date       `bun:",nullzero"`
	ReceptionMinutes int        // business minutes from SentAt to ReceivedAt
	ClosedByID       UserID     `bun:",nullzero"`
	ClosedAt         time.Time  `bun:",nullzero"`
	ClosedOn         Date       `bun:",nullzero"`
	Resolution       Resolution `bun:",nullzero"`
	ClosingNotes     Text       `bun:",nullzero"`
	Reason           Text       `bun:",nullzero"`
	Version          int
}

// IsNode marks a type that node(id:) finds.
func (Derivation) IsNode() {}

// IsOpenAction says that the target area must still act.
func (l *Derivation) IsOpenAction() bool { return l.Kind == ForAction && l.State.IsOpen() }

// DerivationTargetInput is one area that a document is derived to.
type DerivationTargetInput struct {
	AreaID           AreaID
	Instructions     string
	Kind             *DerivationKind // default: the purpose's, else ACTION
	PurposeCode      Text
	Lead             bool
	Urgent           bool
	DueOn            Date // default: the purpose's term, else the document's due date
	RequiresResponse bool
	AssigneeID       UserID
}

// ArchiveRecord is one stay of a document in the archive.
type ArchiveRecord struct {
	ID             ArchiveRecordID `bun:",pk"`
	DocumentID     DocumentID
	Classification ArchiveClassification
	PolicyCode     string
	ArchivedOn     Date
	ArchivedAt     time.Time
	ArchivedByID   UserID `bun:",nullzero"`
	LocationCode   string
	PhysicalPlace  Text `bun:",nullzero"`
	Folios         int
	RetainUntil    Date `bun:",nullzero"` // zero when kept for ever
	State          ArchiveState
	RestoredAt     time.Time `bun:",nullzero"`
	RestoredByID   UserID    `bun:",nullzero"`
	RestoreReason  Text      `bun:",nullzero"`
}

// IsNode marks a type that node(id:) finds.
func (ArchiveRecord) IsNode() {}

// classCodes are the letters of each class in location codes.
var classCodes = map[ArchiveClassification]string{
	ArchiveGeneral: "TD", ArchiveAdministrative: "AD", ArchiveLegal: "LG", ArchiveAccounting: "CT", ArchiveHR: "RH",
	ArchiveTechnical: "TC", ArchiveOther: "OT",
}

// ClassCode is the two letters that a class has in location codes.
func ClassCode(c ArchiveClassification) string { return classCodes[c] }
