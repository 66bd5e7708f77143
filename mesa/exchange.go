package mesa

import (
	"crypto/rand"
	"io"
	"slices"
	"time"
)

// ExchangeState is where a document stands on its way to another institution.
type ExchangeState string

// The states of an exchange message.
const (
	MessageQueued     ExchangeState = "QUEUED"
	MessageSending    ExchangeState = "SENDING"
	MessageSent       ExchangeState = "SENT"
	MessageDelivered  ExchangeState = "DELIVERED"
	MessageRegistered ExchangeState = "REGISTERED"
	MessageObserved   ExchangeState = "OBSERVED"
	MessageRejected   ExchangeState = "REJECTED"
	MessageRetrying   ExchangeState = "RETRYING"
	MessageDead       ExchangeState = "DEAD"
	MessageCancelled  ExchangeState = "CANCELLED"
)

// ExchangeStates lists them in the order of the schema.
var ExchangeStates = []ExchangeState{MessageQueued, MessageSending, MessageSent, MessageDelivered, MessageRegistered, MessageObserved, MessageRejected, MessageRetrying, MessageDead, MessageCancelled}

// WaitingStates are those of a message that is still to be sent.
var WaitingStates = []ExchangeState{MessageQueued, MessageSending, MessageRetrying}

// LostStates are those of a message that did not lead anywhere: the document may be sent again as another one.
var LostStates = []ExchangeState{MessageRejected, MessageDead, MessageCancelled}

// What moves a message. These are no actions of people on documents, so the schema does not list them.
const (
	msgQueue  Action = "QUEUE"
	msgSend   Action = "SEND"
	msgAccept Action = "ACCEPT"
	msgFail   Action = "FAIL"
	msgFollow Action = "FOLLOW"
	msgRetry  Action = "RETRY"
	msgCancel Action = "CANCEL"
)

// exchangeMoves is the life of a message.
var exchangeMoves = moves[ExchangeState]{
	{"", msgQueue, MessageQueued},
	{MessageQueued, msgSend, MessageSending},
	{MessageRetrying, msgSend, MessageSending},
	{MessageSending, msgSend, MessageSending}, // a worker was lost with it
	{MessageDead, msgSend, MessageSending},    // an administrator retried its job
	{MessageSending, msgAccept, MessageSent},
	{MessageSending, msgFail, MessageRetrying},
	{MessageSending, msgFail, MessageDead},
	{MessageQueued, msgFail, MessageDead},   // its job is gone
	{MessageRetrying, msgFail, MessageDead}, // its job is gone
	{MessageQueued, msgCancel, MessageCancelled},
	{MessageRetrying, msgCancel, MessageCancelled},
	{MessageDead, msgRetry, MessageQueued},
	{MessageSent, msgFollow, MessageDelivered},
	{MessageSent, msgFollow, MessageRegistered},
	{MessageSent, msgFollow, MessageObserved},
	{MessageSent, msgFollow, MessageRejected},
	{MessageDelivered, msgFollow, MessageRegistered},
	{MessageDelivered, msgFollow, MessageObserved},
	{MessageDelivered, msgFollow, MessageRejected},
	{MessageObserved, msgFollow, MessageDelivered},
	{MessageObserved, msgFollow, MessageRegistered},
	{MessageObserved, msgFollow, MessageRejected},
}

// ExchangeDiagram draws the life of a message in Mermaid.
func ExchangeDiagram() string { return exchangeMoves.diagram() }

// remoteStates says what the state of the document over there means for the message.
var remoteStates = map[DocumentState]ExchangeState{
	Submitted:  MessageDelivered,
	Observed:   MessageObserved,
	Registered: MessageRegistered,
	InProcess:  MessageRegistered,
	Attended:   MessageRegistered,
	Archived:   MessageRegistered,
	NotFiled:   MessageRejected,
	Voided:     MessageRejected,
}

// ExchangeDirection is which way a document goes.
type ExchangeDirection string

// DirectionOut is from here to the other side. What comes in is handed in with an API key, and a document like any other.
const DirectionOut ExchangeDirection = "OUT"

// ExchangeMessage is one document on its way to another institution.
type ExchangeMessage struct {
	ID                 MessageID `bun:",pk"`
	ExchangeCode       string    // the id of the document over there: a repeat is told by it
	IntegrationID      IntegrationID
	DocumentID         DocumentID
	Direction          ExchangeDirection
	State              ExchangeState
	Payload            ExchangePayload `bun:"type:jsonb"` // as of the day it was sent, so that a repeat is the same
	RemoteID           Text            `bun:",nullzero"`
	RemoteTrackingCode Text            `bun:",nullzero"`
	RemoteNumber       Text            `bun:",nullzero"`
	RemoteArea         Text            `bun:",nullzero"`
	RemoteDate         time.Time       `bun:",nullzero"`
	RemoteObservation  Text            `bun:",nullzero"`
	Attempts           int             // calls that were to send it
	NextAttemptAt      time.Time       `bun:",nullzero"`
	CheckedAt          time.Time       `bun:",nullzero"` // when the other side was last asked how it stands
	ErrorCode          Text            `bun:",nullzero"` // of the latest attempt
	Problem            Text            `bun:",nullzero"`
	JobID              JobID
	CreatedByID        UserID `bun:",nullzero"`
	CreatedAt          time.Time
	UpdatedAt          time.Time
}

// IsNode marks a type that node(id:) finds.
func (ExchangeMessage) IsNode() {}

// IsLost says that the message did not lead anywhere.
func (m *ExchangeMessage) IsLost() bool { return slices.Contains(LostStates, m.State) }

// IsWaiting says that the message is still to be sent.
func (m *ExchangeMessage) IsWaiting() bool { return slices.Contains(WaitingStates, m.State) }

// ExchangePayload is what the other side is given.
type ExchangePayload struct {
	TypeCode         string
	Subject          string
	Folios           int
	Sender           Sender
	ExternalNumber   string
	DocumentDate     Date
	AnnexDescription string
	Priority         Priority        // "" is the usual one
	Confidentiality  Confidentiality // "" is that of the type over there
	Notes            string
}

// RemoteDocument is what the other side says of the document there.
type RemoteDocument struct {
	ID           string
	TrackingCode string
	State        DocumentState
	Number       string
	Area         string // of the desk that registered it, or has to
	RegisteredAt time.Time
	Note         string // why it was refused, "" when it was not
}

// ExchangeAttempt is one call about a message.
type ExchangeAttempt struct {
	MessageID  MessageID `bun:",pk"`
	N          int       `bun:",pk"`
	Kind       AttemptKind
	At         time.Time
	DurationMs int
	HTTPStatus int  `bun:"http_status,nullzero"`
	ErrorCode  Text `bun:",nullzero"`
	RemoteAddr Text `bun:",nullzero"`
	Answer     Text `bun:",nullzero"` // how the answer begins, without secrets
}

// AttemptKind says what a call was for.
type AttemptKind string

// The kinds of attempts.
const (
	AttemptToSend   AttemptKind = "SEND"
	AttemptToFollow AttemptKind = "FOLLOW"
)

// How long attempts are kept.
const (
	KeepGoodAttempts = 90 * day
	KeepBadAttempts  = 365 * day
)

const exchangeCodeSymbols = 10

// NewExchangeCode draws the code of a message: ten symbols that people do not misread.
func NewExchangeCode() string {
	symbols := make([]byte, exchangeCodeSymbols)
	rand.Read(symbols)
	for i, b := range symbols {
		symbols[i] = crockford[b%32]
	}
	return string(symbols)
}

// exchangeWaits are the waits after each failure to send; the last one goes on.
var exchangeWaits = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour}

// ExchangeRetryAfter is the wait after the n-th failure to send, 20 % more or less (jitter 0 to 1).
func ExchangeRetryAfter(failures int, jitter float64) time.Duration {
	wait := exchangeWaits[min(max(failures, 1), len(exchangeWaits))-1]
	return time.Duration(float64(wait) * (0.8 + 0.4*jitter))
}

// CheckSendable says why a document cannot be sent to another institution now, nil when it can. A confidential one is sent only by who says
// that this is meant.
func CheckSendable(doc *Document, to *Integration, evenConfidential bool) error {
	switch {
	case doc.State.IsClosed():
		return Fail(DocumentClosed, "documentId", "El expediente está cerrado y ya no cambia.")
	case doc.State == Submitted || doc.State == Observed:
		e := invalidTransition(doc.State)
		e.Field = "documentId"
		return e
	case !to.IsActive || !to.CanSend:
		return Fail(InvalidTransition, "integrationId", "La integración no está activa para enviar.")
	case !to.HasCredentials():
		return Invalid("integrationId", "La integración no tiene la clave de la otra entidad.")
	case doc.Confidentiality == Confidential && !evenConfidential: // the last: who says so is not refused for something else then
		return Invalid("allowConfidential", "El expediente es confidencial: indique expresamente que se envía así.")
	}
	return nil
}

// NewMessage is a document to be sent; the caller has checked that it can be.
func NewMessage(by *Actor, at time.Time, ids *IDs, doc *Document, to *Integration) *ExchangeMessage {
	m := &ExchangeMessage{
		ID: ids.Message(at), ExchangeCode: NewExchangeCode(), IntegrationID: to.ID, DocumentID: doc.ID, Direction: DirectionOut, State: MessageQueued,
		CreatedByID: by.UserID, CreatedAt: at, UpdatedAt: at, NextAttemptAt: at,
		Payload: ExchangePayload{
			Subject: doc.Subject, Folios: doc.Folios, ExternalNumber: string(doc.FileNumber), DocumentDate: doc.DocumentDate, AnnexDescription: string(doc.AnnexDescription),
			Priority: doc.Priority, Sender: Sender{Kind: doc.Sender.Kind, IDType: doc.Sender.IDType, IDNumber: doc.Sender.IDNumber, Name: doc.Sender.Name},
		},
	}
	if typ := by.Catalogue.Type(doc.TypeID); typ != nil {
		m.Payload.TypeCode = typ.Code
	}
	if doc.Confidentiality != Public {
		m.Payload.Confidentiality = doc.Confidentiality
	}
	if doc.ExternalNumber != "" {
		m.Payload.ExternalNumber = string(doc.ExternalNumber)
		m.Payload.Notes = "Expediente " + string(doc.FileNumber) + " de " + by.Catalogue.Institution.Name
	}
	return m
}

// move moves a message by the table.
func (m *ExchangeMessage) move(by Action, to ExchangeState, now time.Time) error {
	if !exchangeMoves.leads(m.State, by, to) {
		return invalidTransition(m.State)
	}
	m.State, m.UpdatedAt = to, now
	return nil
}

// IsSendable says whether the message may be sent (again) now.
func (m *ExchangeMessage) IsSendable() bool { return exchangeMoves.allows(m.State, msgSend) }

// Begin notes that a worker sends the message.
func (m *ExchangeMessage) Begin(now time.Time) error {
	m.NextAttemptAt = time.Time{}
	return m.move(msgSend, MessageSending, now)
}

// PutOff notes that sending has to wait although nothing was tried.
func (m *ExchangeMessage) PutOff(until time.Time, code, problem string) {
	m.NextAttemptAt, m.ErrorCode, m.Problem = until, Text(code), Text(problem)
	if m.State == MessageSending { // a worker was lost with it
		m.State = MessageRetrying
	}
}

// Accepted notes that the other side has the document, and returns what happened: that it was sent, and where it stands there.
func (m *ExchangeMessage) Accepted(now time.Time, there *RemoteDocument) ([]EventType, error) {
	if err := m.move(msgAccept, MessageSent, now); err != nil {
		return nil, err
	}
	m.Attempts++
	m.NextAttemptAt, m.ErrorCode, m.Problem = time.Time{}, "", ""
	m.RemoteID, m.RemoteTrackingCode = Text(there.ID), Text(there.TrackingCode)
	what, err := m.Follow(now, there)
	return append([]EventType{ExchangeSent}, what...), err
}

// Follow notes where the document stands over there, and returns what happened, if anything did. A state that says nothing new, or that the
// table does not lead to, changes nothing: the other side may not take back what it has registered.
func (m *ExchangeMessage) Follow(now time.Time, there *RemoteDocument) ([]EventType, error) {
	m.CheckedAt, m.ErrorCode, m.Problem = now, "", ""
	to := remoteStates[there.State]
	if to == m.State || !exchangeMoves.leads(m.State, msgFollow, to) {
		return nil, nil
	}
	if err := m.move(msgFollow, to, now); err != nil {
		return nil, err
	}
	m.RemoteObservation = Text(there.Note)
	switch to {
	case MessageRegistered:
		m.RemoteNumber, m.RemoteArea, m.RemoteDate = Text(there.Number), Text(there.Area), there.RegisteredAt
		return []EventType{ExchangeRegistered}, nil
	case MessageRejected:
		return []EventType{ExchangeRejected}, nil
	case MessageObserved:
		return []EventType{ExchangeObserved}, nil
	}
	return []EventType{ExchangeDelivered}, nil
}

// Unknown notes that the other side could not say where the document stands.
func (m *ExchangeMessage) Unknown(now time.Time, code, problem string) {
	m.CheckedAt, m.ErrorCode, m.Problem = now, Text(code), Text(problem)
}

// Failed notes that sending failed: it is tried again at next, or no more when that is zero.
func (m *ExchangeMessage) Failed(now, next time.Time, code, problem string) ([]EventType, error) {
	m.Attempts++
	m.NextAttemptAt = next
	return m.giveUp(now, next, code, problem)
}

// Orphaned notes that nobody will send the message: its job ended without it, or is gone.
func (m *ExchangeMessage) Orphaned(now time.Time, code, problem string) ([]EventType, error) {
	m.NextAttemptAt = time.Time{}
	return m.giveUp(now, time.Time{}, code, problem)
}

func (m *ExchangeMessage) giveUp(now, next time.Time, code, problem string) ([]EventType, error) {
	m.ErrorCode, m.Problem = Text(code), Text(problem)
	if next.IsZero() {
		return []EventType{ExchangeDead}, m.move(msgFail, MessageDead, now)
	}
	return nil, m.move(msgFail, MessageRetrying, now)
}

// Retry lets a dead message be sent again, under the same code.
func (m *ExchangeMessage) Retry(now time.Time) error {
	m.NextAttemptAt = now
	return m.move(msgRetry, MessageQueued, now)
}

// Cancel gives up a message that nobody sends at the moment.
func (m *ExchangeMessage) Cancel(now time.Time) error {
	if err := m.move(msgCancel, MessageCancelled, now); err != nil {
		return err
	}
	m.NextAttemptAt = time.Time{}
	return nil
}

// Event is what happened to a message, as the timeline of its document tells it.
func (m *ExchangeMessage) Event(ids *IDs, by *Actor, at time.Time, what EventType, to *Integration) *Event {
	e := NewEvent(ids, by, at, what)
	e.DocumentID, e.ObjectID = m.DocumentID, string(m.ID)
	e.Text = exchangeTexts[what] + " " + to.Name
	switch what {
	case ExchangeRegistered:
		e.Text += ": " + string(m.RemoteNumber)
	case ExchangeRejected, ExchangeObserved:
		e.Reason = m.RemoteObservation
	case ExchangeDead:
		e.Reason = m.Problem
	}
	return e
}

// exchangeTexts begin the lines of the timeline.
var exchangeTexts = map[EventType]string{
	ExchangeQueued: "Por enviar a", ExchangeSent: "Enviado a", ExchangeDelivered: "Entregado en mesa de partes de", ExchangeRegistered: "Registrado por",
	ExchangeObserved: "Observado por", ExchangeRejected: "No aceptado por", ExchangeDead: "No se pudo enviar a", ExchangeCancelled: "Envío cancelado a",
}

// MarshalGQL writes the name, null for none.
func (s ExchangeState) MarshalGQL(w io.Writer) { writeEnum(w, s) }

// UnmarshalGQL reads a name.
func (s *ExchangeState) UnmarshalGQL(v any) error { return readEnum(v, s, ExchangeStates) }

// MarshalGQL writes the name, null for none.
func (d ExchangeDirection) MarshalGQL(w io.Writer) { writeEnum(w, d) }

// UnmarshalGQL reads a name.
func (d *ExchangeDirection) UnmarshalGQL(v any) error {
	return readEnum(v, d, []ExchangeDirection{DirectionOut})
}

// MarshalGQL writes the name, null for none.
func (k AttemptKind) MarshalGQL(w io.Writer) { writeEnum(w, k) }

// UnmarshalGQL reads a name.
func (k *AttemptKind) UnmarshalGQL(v any) error {
	return readEnum(v, k, []AttemptKind{AttemptToSend, AttemptToFollow})
}
