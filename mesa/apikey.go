package mesa

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"
)

// KeyScope is one thing that the holder of an API key may do.
type KeyScope string

// The scopes that there are.
const (
	ScopeSubmit KeyScope = "documents:submit" // hand in documents
	ScopeStatus KeyScope = "exchange:status"  // read how the documents stand that were handed in with the same key
)

// KeyScopes lists them.
var KeyScopes = []KeyScope{ScopeSubmit, ScopeStatus}

// APIKey lets a machine act. It has no role: it may do what its scopes say and nothing else. Only the SHA-256 of its secret is stored.
type APIKey struct {
	ID            APIKeyID `bun:",pk"`
	Name          string   // of the machine, as the audit trail calls it
	Prefix        string   // how its secret begins, to tell keys apart
	SecretHash    []byte
	PreviousHash  []byte        `bun:",nullzero"` // of the secret before the last rotation
	PreviousUntil time.Time     `bun:",nullzero"` // until then that one holds, too
	Scopes        []KeyScope    `bun:",type:jsonb"`
	AreaIDs       []AreaID      `bun:"area_ids,type:jsonb"` // the desks that it submits to, the usual one first
	IntegrationID IntegrationID `bun:",nullzero"`           // of the institution that holds it, "" for a machine of one's own
	CreatedByID   UserID        `bun:",nullzero"`
	CreatedAt     time.Time
	ExpiresAt     time.Time `bun:",nullzero"`
	RevokedAt     time.Time `bun:",nullzero"`
	LastUsedAt    time.Time `bun:",nullzero"` // to the minute
}

// Limits of keys.
const (
	maxKeyDesks     = 20
	MaxOverlapHours = 72 // that the secret before a rotation may go on holding
)

// A secret is mesa_ and 200 random bits. Tokens of sessions begin alike and have another length, so that each is looked up where it belongs.
const (
	secretBegin   = "mesa_"
	secretBytes   = 25
	secretSymbols = 40
	secretShown   = len(secretBegin) + 8
)

// NewKeySecret draws the secret of a key.
func NewKeySecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b)
	return secretBegin + idEncoding.EncodeToString(b)
}

// IsKeySecret says whether a bearer token has the form of an API key's secret.
func IsKeySecret(token string) bool {
	return len(token) == len(secretBegin)+secretSymbols && strings.HasPrefix(token, secretBegin)
}

// SecretPrefix is what may be shown of a secret.
func SecretPrefix(secret string) string { return secret[:secretShown] }

// Check collects all that is wrong with a new key; of is its integration, nil without one.
func (k *APIKey) Check(cat *Catalogue, now time.Time, of *Integration) error {
	var v Violations
	checkText(&v, "name", k.Name, 2, 100)
	v.Check(len(k.Scopes) > 0, "scopes", "Indique al menos un elemento.")
	for i, s := range k.Scopes {
		v.Check(slices.Contains(KeyScopes, s), fmt.Sprintf("scopes.%d", i), "El alcance %s no existe.", s)
	}
	hasDesk := len(k.AreaIDs) > 0 || of != nil && of.DefaultAreaID != ""
	v.Check(hasDesk || !slices.Contains(k.Scopes, ScopeSubmit), "areaIds", "Indique al menos una mesa de partes.")
	v.Check(len(k.AreaIDs) <= maxKeyDesks, "areaIds", "Se admiten %d elementos como máximo.", maxKeyDesks)
	for i, id := range k.AreaIDs {
		v.Check(cat.isOpenDesk(id), fmt.Sprintf("areaIds.%d", i), "El área indicada no es una mesa de partes activa.")
	}
	v.Check(k.ExpiresAt.IsZero() || k.ExpiresAt.After(now), "expiresAt", "El vencimiento debe ser futuro.")
	return v.Err()
}

// Rotate gives a key another secret; the present one holds on for the overlap, one from before no longer.
func (k *APIKey) Rotate(now time.Time, overlapHours int, secret string, hash []byte) error {
	if overlapHours < 0 || overlapHours > MaxOverlapHours {
		return Invalid("overlapHours", "El secreto anterior puede valer de 0 a %d horas más.", MaxOverlapHours)
	}
	switch {
	case !k.RevokedAt.IsZero():
		return invalidTransition("REVOKED")
	case !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(now):
		return invalidTransition("EXPIRED")
	}
	k.PreviousHash, k.PreviousUntil = k.SecretHash, now.Add(time.Duration(overlapHours)*time.Hour)
	k.SecretHash, k.Prefix = hash, SecretPrefix(secret)
	return nil
}

// NewMachine is the holder of an API key.
func NewMachine(cat *Catalogue, key *APIKey) *Actor {
	return &Actor{Kind: ActorAPIKey, Key: key, Name: key.Name, Areas: []AreaID{}, Catalogue: cat, ExpiresAt: key.ExpiresAt}
}

// HasScope says whether the actor holds an API key with a scope.
func (a *Actor) HasScope(s KeyScope) bool { return a.Key != nil && slices.Contains(a.Key.Scopes, s) }

// RequireScope is Forbidden unless the actor holds an API key with the scope.
func (a *Actor) RequireScope(s KeyScope) error {
	if !a.HasScope(s) {
		return Fail(Forbidden, "", "Se necesita una clave de API con el alcance %s.", s).With("scope", string(s))
	}
	return nil
}

// ErrNotForKeys says that something is for people alone.
func ErrNotForKeys() *Error { return Fail(Forbidden, "", "Esto no está abierto a claves de API.") }

// SubmittingDesk is the desk asked for, else the usual one if it is the key's, else the first of the key's that is open. The usual one is
// the default desk of the key's integration, "" when there is none; it is the desk of a key that has none of its own.
func (k *APIKey) SubmittingDesk(cat *Catalogue, asked, usual AreaID) (AreaID, error) {
	if asked != "" && !cat.isOpenDesk(asked) {
		return "", Invalid("deskAreaId", "El área indicada no es una mesa de partes activa.")
	}
	desks := k.AreaIDs
	if usual != "" && (len(desks) == 0 || slices.Contains(desks, usual)) {
		desks = append([]AreaID{usual}, desks...)
	}
	for _, id := range desks {
		if cat.isOpenDesk(id) && (asked == "" || asked == id) {
			return id, nil
		}
	}
	return "", Fail(Forbidden, "deskAreaId", "La clave de API no presenta documentos en esa mesa de partes.")
}

// isOpenDesk says whether an area is an active desk.
func (c *Catalogue) isOpenDesk(id AreaID) bool {
	area := c.Area(id)
	return area != nil && area.IsDesk && area.IsActive
}
