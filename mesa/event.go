package mesa

import "time"

// EventType names what happened; one vocabulary for the audit trail, the timeline and subscriptions.
type EventType string

// The events of documents and derivations.
const (
	DocumentSubmitted    EventType = "document.submitted"
	DocumentRegistered   EventType = "document.registered"
	DocumentNotFiled     EventType = "document.not_filed"
	DocumentUpdated      EventType = "document.updated"
	DocumentDerived      EventType = "document.derived"
	DocumentAttended     EventType = "document.attended"
	DocumentReopened     EventType = "document.reopened"
	DocumentArchived     EventType = "document.archived"
	DocumentRestored     EventType = "document.restored"
	ArchiveMoved         EventType = "document.archive_moved"
	DocumentVoided       EventType = "document.voided"
	DocumentDueSoon      EventType = "document.due_soon"
	DocumentOverdue      EventType = "document.overdue"
	DeadlineChanged      EventType = "document.deadline_changed"
	DerivationCreated    EventType = "derivation.created"
	DerivationReceived   EventType = "derivation.received"
	DerivationAttended   EventType = "derivation.attended"
	DerivationForwarded  EventType = "derivation.forwarded"
	DerivationRejected   EventType = "derivation.rejected"
	DerivationReturned   EventType = "derivation.returned"
	DerivationRecalled   EventType = "derivation.recalled"
	DerivationReassigned EventType = "derivation.reassigned"
	DerivationAssigned   EventType = "derivation.assigned"
	DerivationAcked      EventType = "derivation.acknowledged"
)

// The events of documents on their way to another institution.
const (
	ExchangeQueued     EventType = "exchange.queued"
	ExchangeSent       EventType = "exchange.sent"
	ExchangeDelivered  EventType = "exchange.delivered"
	ExchangeRegistered EventType = "exchange.registered"
	ExchangeObserved   EventType = "exchange.observed"
	ExchangeRejected   EventType = "exchange.rejected"
	ExchangeDead       EventType = "exchange.dead"
	ExchangeCancelled  EventType = "exchange.cancelled"
)

// Events that only the audit trail shows.
const (
	SignedIn           EventType = "auth.signin"
	SignInFailed       EventType = "auth.signin_failed"
	SignedOut          EventType = "auth.signout"
	SignedOutOfAll     EventType = "auth.signout_all"
	SessionRenewed     EventType = "auth.refreshed"
	RefreshTokenReused EventType = "auth.refresh_reused"
	AccountLocked      EventType = "auth.locked"
	AccessDenied       EventType = "access.denied"
	ConfidentialRead   EventType = "access.read"
	UserCreated        EventType = "user.created"
	UserUpdated        EventType = "user.updated"
	PasswordSet        EventType = "user.password_set"
	PasswordChanged    EventType = "user.password_changed"
	UserActivated      EventType = "user.reactivated"
	UserDeactivated    EventType = "user.deactivated"
	RoleGranted        EventType = "role.granted"
	RoleRevoked        EventType = "role.revoked"
	PermissionGranted  EventType = "permission.granted"
	PermissionDenied   EventType = "permission.denied"
	PermissionCleared  EventType = "permission.cleared"
	AreaCreated        EventType = "area.created"
	AreaUpdated        EventType = "area.updated"
	AreaDeactivated    EventType = "area.deactivated"
	AreaReactivated    EventType = "area.reactivated"
	APIKeyCreated      EventType = "apikey.created"
	APIKeyRotated      EventType = "apikey.rotated"
	APIKeyRevoked      EventType = "apikey.revoked"
	IntegrationCreated EventType = "integration.created"
	IntegrationUpdated EventType = "integration.updated"
	HealthChanged      EventType = "integration.health_changed"
	WatchStarted       EventType = "watch.started"
	WatchEnded         EventType = "watch.ended"
	DemoCreated        EventType = "system.demo_created"
	DataSeeded         EventType = "system.seeded"
	SystemRestored     EventType = "system.restored"
	ReportRequested    EventType = "report.requested"
	ReportFetched      EventType = "report.downloaded"
	JobRetried         EventType = "job.retried"
	JobStopped         EventType = "job.cancel_requested"
	QueuePaused        EventType = "queue.paused"
	QueueResumed       EventType = "queue.resumed"
	CacheCleared       EventType = "system.cache_cleared"
	AuditCheckpointed  EventType = "audit.checkpoint"
	AuditExported      EventType = "export.audit"
)

// Change is a field before and after; nil stands for "no value".
type Change struct {
	Before any `json:"before"`
	After  any `json:"after"`
}

// Event is one thing that happened. The same row is the audit entry, the line in the timeline and the source of subscriptions.
// Events are only ever added.
type Event struct {
	Seq          int64 `bun:",pk,autoincrement"`
	Tx           int64 // database transaction, orders commits; see db/events.go
	ID           EventID
	At           time.Time
	Type         EventType
	ActorKind    ActorKind
	ActorID      string            `bun:",nullzero"`
	ActorName    string            // snapshot
	DocumentID   DocumentID        `bun:",nullzero"`
	DerivationID DerivationID      `bun:",nullzero"`
	ObjectID     string            `bun:",nullzero"`           // user, session, … when it is not about a document
	AreaIDs      []AreaID          `bun:"area_ids,type:jsonb"` // areas whose trays may have changed
	Text         string            // es-PE, for the timeline
	Reason       Text              `bun:",nullzero"`
	Changes      map[string]Change `bun:",type:jsonb,nullzero"`
	RequestID    string            `bun:",nullzero"`
	Address      string            `bun:",nullzero"` // as the next one: see Origin
	Client       string            `bun:",nullzero"`
}

// IsNode marks a type that node(id:) finds.
func (Event) IsNode() {}

// EventActor is who caused an event, as they were called then.
type EventActor struct {
	Kind   ActorKind
	UserID UserID // "" unless the actor is a user
	Name   string
}

// Actor is who caused the event.
func (e *Event) Actor() *EventActor {
	a := &EventActor{Kind: e.ActorKind, Name: e.ActorName}
	if e.ActorKind == ActorUser {
		a.UserID = UserID(e.ActorID)
	}
	return a
}

// NewEvent fills in who, when and what.
func NewEvent(ids *IDs, by *Actor, at time.Time, typ EventType) *Event {
	return &Event{
		ID: ids.Event(at), At: at, Type: typ, ActorKind: by.Kind, ActorID: by.ID(), ActorName: by.Name,
		AreaIDs: []AreaID{}, RequestID: by.RequestID, Address: by.Address, Client: by.Client,
	}
}
