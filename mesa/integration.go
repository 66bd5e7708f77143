package mesa

import (
	"io"
	"regexp"
	"strings"
	"time"
)

// IntegrationKind is how another institution is talked to.
type IntegrationKind string

// KindMesa is another instance of this program: its public API is the protocol, see docs/decisions/0010-exchange.md.
const KindMesa IntegrationKind = "MESA"

// IntegrationKinds lists them.
var IntegrationKinds = []IntegrationKind{KindMesa}

// Health is how the calls to another institution have gone lately.
type Health string

// The values of Health.
const (
	HealthUnknown  Health = "UNKNOWN"  // nobody has called yet
	HealthOK       Health = "OK"       // the latest call was answered
	HealthDegraded Health = "DEGRADED" // the latest call failed, or the key is refused
	HealthDown     Health = "DOWN"     // CircuitAt calls failed one after the other
)

// Healths lists them in the order of the schema.
var Healths = []Health{HealthUnknown, HealthOK, HealthDegraded, HealthDown}

// Integration is another institution with which documents are exchanged.
type Integration struct {
	ID                IntegrationID `bun:",pk"`
	Code              string
	Name              string
	Kind              IntegrationKind
	BaseURL           string `bun:"base_url"` // without a slash at its end
	IsActive          bool
	CanSend           bool
	CanReceive        bool           // whether keys of it may hand in documents
	AutoRegister      bool           // what they hand in is registered at once
	DefaultAreaID     AreaID         `bun:",nullzero"` // the desk where it arrives when it names none
	DefaultTypeID     DocumentTypeID `bun:",nullzero"` // what it is taken for when its type is not known here
	TimeoutSeconds    int
	MaxAttempts       int
	SealedCredentials Text `bun:",nullzero"` // the API key of the other side, sealed by internal/secret; never shown
	Health            Health
	Failures          int       // calls that failed since the last one that was answered
	OpenUntil         time.Time `bun:",nullzero"` // while the circuit is open: when the next call may be tried
	LastOkAt          time.Time `bun:",nullzero"`
	LastErrorAt       time.Time `bun:",nullzero"`
	LastErrorCode     Text      `bun:",nullzero"`
	CreatedByID       UserID    `bun:",nullzero"`
	CreatedAt         time.Time
	UpdatedAt         time.Time
}

// IsNode marks a type that node(id:) finds.
func (Integration) IsNode() {}

// HasCredentials says whether the other side's API key was given.
func (i *Integration) HasCredentials() bool { return i.SealedCredentials != "" }

// Timeout is how long one call may take.
func (i *Integration) Timeout() time.Duration { return time.Duration(i.TimeoutSeconds) * time.Second }

// Limits of integrations.
const (
	MaxTimeoutSeconds  = 120
	DefaultMaxAttempts = 8
	MaxMaxAttempts     = 15
	maxPeerKey         = 200
)

// CircuitAt is how many calls have to fail one after the other until the other side is left alone. ProbeEvery is how often it is tried then.
const (
	CircuitAt  = 5
	ProbeEvery = 5 * time.Minute
)

var integrationCode = regexp.MustCompile(`^[A-Z0-9][A-Z0-9_-]{1,29}$`)

// Check collects all that is wrong with an integration but its address, which whoever makes the calls knows about. key is the other
// side's API key, "" when none is given now. was is the integration as it is stored: a desk or type that stays may be closed by now.
func (i *Integration) Check(cat *Catalogue, key string, was Integration) error {
	var v Violations
	v.Check(integrationCode.MatchString(i.Code), "code", "El código lleva de 2 a 30 letras mayúsculas, dígitos, guiones o guiones bajos.")
	checkText(&v, "name", i.Name, 2, 200)
	v.Check(i.TimeoutSeconds >= 1 && i.TimeoutSeconds <= MaxTimeoutSeconds, "timeoutSeconds", "Indique un valor de 1 a %d.", MaxTimeoutSeconds)
	v.Check(i.MaxAttempts >= 1 && i.MaxAttempts <= MaxMaxAttempts, "maxAttempts", "Indique un valor de 1 a %d.", MaxMaxAttempts)
	v.Check(len(key) <= maxPeerKey && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }), "apiKey", "La clave lleva hasta %d letras, dígitos y signos, sin espacios.", maxPeerKey)
	v.Check(i.DefaultAreaID == was.DefaultAreaID || i.DefaultAreaID == "" || cat.isOpenDesk(i.DefaultAreaID), "defaultAreaId", "El área indicada no es una mesa de partes activa.")
	v.Check(i.DefaultTypeID == was.DefaultTypeID || i.DefaultTypeID == "" || cat.activeType(i.DefaultTypeID) != nil, "defaultTypeId", "El tipo de documento no existe o está inactivo.")
	return v.Err()
}

// CheckReceives is Forbidden unless keys of the integration may hand in documents now.
func (i *Integration) CheckReceives() error {
	if !i.IsActive || !i.CanReceive {
		return Fail(Forbidden, "", "La integración de esta clave de API no recibe documentos por ahora.")
	}
	return nil
}

// TagUnknownType marks a document that came with a type that is not known here.
const TagUnknownType = "tipo-desconocido"

// ReceivedType is the active type with a code. What an integration hands in under another code is taken for its default type, with the tag
// that says so. i is nil without an integration.
func (c *Catalogue) ReceivedType(code string, i *Integration) (typ *DocumentType, tags []string, err error) {
	for _, t := range c.Types {
		if t.Code == code && t.IsActive {
			return t, nil, nil
		}
	}
	if i != nil {
		if t := c.activeType(i.DefaultTypeID); t != nil {
			return t, []string{TagUnknownType}, nil
		}
	}
	return nil, nil, Invalid("typeCode", "El tipo de documento no existe o está inactivo.")
}

// activeType finds a type that is in use, nil when there is none.
func (c *Catalogue) activeType(id DocumentTypeID) *DocumentType {
	if t := c.Type(id); t != nil && t.IsActive {
		return t
	}
	return nil
}

// Admit says how long a call has to wait because the circuit is open; 0 lets it go. The call that goes while it is open tries whether the
// other side is back: the others wait for every more.
func (i *Integration) Admit(now time.Time, every time.Duration) (wait time.Duration) {
	switch {
	case i.Failures < CircuitAt:
		return 0
	case now.Before(i.OpenUntil):
		return i.OpenUntil.Sub(now)
	}
	i.OpenUntil = now.Add(every)
	return 0
}

// Note notes how a call went, and says whether the health is another now.
func (i *Integration) Note(call *ExchangeCall, now time.Time, every time.Duration) (changed bool) {
	before := i.Health
	switch {
	case call.Failed():
		i.Failures++
		i.Health = HealthDegraded
		if i.Failures >= CircuitAt {
			i.Health, i.OpenUntil = HealthDown, now.Add(every)
		}
	default:
		i.Failures, i.OpenUntil, i.LastOkAt, i.Health = 0, time.Time{}, now, HealthOK
		if call.ErrorCode == string(Unauthenticated) || call.ErrorCode == string(Forbidden) {
			i.Health = HealthDegraded
		}
	}
	if call.ErrorCode != "" {
		i.LastErrorAt, i.LastErrorCode = now, Text(call.ErrorCode)
	}
	return i.Health != before
}

// ExchangeCall is how a call to another institution went.
type ExchangeCall struct {
	Took               time.Duration
	HTTPStatus         int    // 0 when there was no answer
	RemoteAddr         string // which address answered, "" when none was reached
	ErrorCode          string // "" when the call did what it was to do
	Problem            string // the same in words; the other side's own where it gave any
	Answer             string // how the answer begins, without secrets
	Temporary          bool   // the same call may succeed later
	Answered           bool   // by the API of the other side, if only with a refusal
	RetryAfter         time.Duration
	Remote             *RemoteDocument // nil unless the answer tells of a document
	Version            string          // of the other side, "" unless it was asked for
	CertificateExpires time.Time       // zero without one
}

// Failed says that the other side could not be asked: this is what opens the circuit.
func (c *ExchangeCall) Failed() bool { return c.ErrorCode != "" && (c.Temporary || !c.Answered) }

// MarshalGQL writes the name, null for none.
func (k IntegrationKind) MarshalGQL(w io.Writer) { writeEnum(w, k) }

// UnmarshalGQL reads a name.
func (k *IntegrationKind) UnmarshalGQL(v any) error { return readEnum(v, k, IntegrationKinds) }

// MarshalGQL writes the name, null for none.
func (h Health) MarshalGQL(w io.Writer) { writeEnum(w, h) }

// UnmarshalGQL reads a name.
func (h *Health) UnmarshalGQL(v any) error { return readEnum(v, h, Healths) }
