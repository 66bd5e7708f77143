package mesa

import (
	"errors"
	"fmt"
)

// Code is the stable name of a kind of error; clients switch on it.
type Code string

// The codes that a caller may meet. Each has one sentence of meaning in docs/errors.md, printed from ErrorCodes.
const (
	Unauthenticated     Code = "UNAUTHENTICATED"
	Forbidden           Code = "FORBIDDEN"
	NotFound            Code = "NOT_FOUND"
	ValidationFailed    Code = "VALIDATION_FAILED"
	InvalidTransition   Code = "INVALID_TRANSITION"
	ConflictVersion     Code = "CONFLICT_VERSION"
	IdempotencyMismatch Code = "IDEMPOTENCY_MISMATCH"
	RateLimited         Code = "RATE_LIMITED"
	DuplicateTarget     Code = "DUPLICATE_TARGET"
	SameArea            Code = "SAME_AREA"
	AreaInactive        Code = "AREA_INACTIVE"
	ObservationPending  Code = "OBSERVATION_PENDING"
	CopyNotActionable   Code = "COPY_NOT_ACTIONABLE"
	DeadlineInPast      Code = "DEADLINE_IN_PAST"
	NotHolder           Code = "NOT_HOLDER"
	DocumentClosed      Code = "DOCUMENT_CLOSED"
	LimitExceeded       Code = "LIMIT_EXCEEDED"
	Timeout             Code = "TIMEOUT"
	FeatureDisabled     Code = "FEATURE_DISABLED"
	AddressRefused      Code = "ADDRESS_REFUSED"
	PasswordChangeDue   Code = "PASSWORD_CHANGE_REQUIRED"
	Internal            Code = "INTERNAL"

	PersistedQueryNotFound     Code = "PERSISTED_QUERY_NOT_FOUND"
	PersistedQueryHashMismatch Code = "PERSISTED_QUERY_HASH_MISMATCH"
	PersistedQueryRequired     Code = "PERSISTED_QUERY_REQUIRED"

	ParseFailed            Code = "GRAPHQL_PARSE_FAILED"
	SchemaValidationFailed Code = "GRAPHQL_VALIDATION_FAILED"
	Canceled               Code = "CANCELED"
)

// ErrorCodes says in one sentence what each code means to a client.
var ErrorCodes = []struct {
	Code    Code
	Meaning string
}{
	{Unauthenticated, "No valid token came with the request: sign in (again)."},
	{Forbidden, "The object is visible, but the actor lacks the permission in the area concerned. The attempt is recorded."},
	{NotFound, "There is no such object, or the actor may not see it."},
	{ValidationFailed, "Some input is wrong: `field` names it, `violations` lists all of them when there are several."},
	{InvalidTransition, "The object is not in a state from which this can be done; `state` is the present one."},
	{ConflictVersion, "`expectedVersion` is not the present version; `version` is."},
	{IdempotencyMismatch, "The idempotency key was used before with other input."},
	{RateLimited, "Too many requests or attempts: wait `retryAfter` seconds; `rate` says which limit it is (docs/limits.md)."},
	{DuplicateTarget, "A target area is named twice or already has this document to act on."},
	{SameArea, "The target is the sending area itself; assign the document inside an area instead."},
	{AreaInactive, "The target area is no longer active."},
	{ObservationPending, "The document is observed: it waits for the sender."},
	{CopyNotActionable, "The leg is a copy, which can only be acknowledged."},
	{DeadlineInPast, "The date lies before today or before the filing date."},
	{NotHolder, "No area of the actor holds the document."},
	{DocumentClosed, "The document is archived, voided or not filed and no longer changes."},
	{LimitExceeded, "More was asked for than the limit allows; `limit` says how much. Limits of operations are in docs/limits.md, and `field` names them."},
	{Timeout, "The operation took longer than `limit` seconds and was ended. What a mutation says it did is done. Ask for less, or for a report."},
	{PersistedQueryNotFound, "No document is known by this id or hash: send the text with its hash."},
	{PersistedQueryHashMismatch, "The text is not the one that the id or the hash stands for."},
	{PersistedQueryRequired, "This server runs trusted documents only, and the text is none of them."},
	{ParseFailed, "The text is no GraphQL."},
	{SchemaValidationFailed, "The text or its variables do not fit the schema."},
	{Canceled, "The client went away, or the server stops, before there was an answer."},
	{FeatureDisabled, "The operator has not switched this on."},
	{AddressRefused, "The address is not one that this server calls: private, without encryption, or no address at all; `reason` says which."},
	{PasswordChangeDue, "The account has a password that somebody else gave it: until `changePassword`, only `viewer`, `changePassword` and `signOut` are open."},
	{Internal, "Something failed inside; `id` finds it in the log."},
}

// Error is what a person is told: a code for programs, a sentence for people and, for input, the field.
// The sentence is es-PE; In renders it for another locale.
type Error struct {
	Code       Code
	Field      string // GraphQL input path such as "targets.0.areaId", "" when no field is to blame
	Details    map[string]any
	Violations []*Error // set when several fields are wrong; the first is also this error's own Field and sentence

	format string
	args   []any
}

// Fail makes an error with an es-PE sentence; format must have a translation in messages.go.
func Fail(code Code, field, format string, args ...any) *Error {
	return &Error{Code: code, Field: field, format: format, args: args}
}

// Invalid is Fail(ValidationFailed, …).
func Invalid(field, format string, args ...any) *Error {
	return Fail(ValidationFailed, field, format, args...)
}

// With adds a fact that the client can read in extensions.
func (e *Error) With(key string, value any) *Error {
	if e.Details == nil {
		e.Details = map[string]any{}
	}
	e.Details[key] = value
	return e
}

// Error is the es-PE sentence with the code, as logs show it.
func (e *Error) Error() string { return string(e.Code) + ": " + e.In("es-PE") }

// In is the sentence in a locale: English for "en…", es-PE for everything else.
func (e *Error) In(locale string) string {
	format := e.format
	if len(locale) >= 2 && locale[:2] == "en" {
		if en, ok := english[format]; ok {
			format = en
		}
	}
	return fmt.Sprintf(format, e.args...)
}

// CodeOf is the code of err: "" for nil, Internal for an error that is not ours.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// Violations collects what is wrong with an input, so that a person learns all of it at once.
type Violations struct{ list []*Error }

// Add notes err, or each of the violations that it carries, when it is one of ours; nil is ignored.
func (v *Violations) Add(err error) {
	switch e, ok := errors.AsType[*Error](err); {
	case !ok || e == nil:
	case len(e.Violations) > 0:
		v.list = append(v.list, e.Violations...)
	default:
		v.list = append(v.list, e)
	}
}

// Check notes a violation of field unless ok.
func (v *Violations) Check(ok bool, field, format string, args ...any) {
	if !ok {
		v.list = append(v.list, Invalid(field, format, args...))
	}
}

// Err is nil when nothing was noted, the only violation, or the first one carrying all of them.
func (v *Violations) Err() error {
	if len(v.list) == 0 {
		return nil
	}
	if len(v.list) == 1 {
		return v.list[0]
	}
	first := *v.list[0]
	first.Violations = v.list
	return &first
}

// ErrNotFound is the answer for what does not exist and for what the actor may not see: they must look alike.
func ErrNotFound(field string) *Error {
	return Fail(NotFound, field, "No se encontró lo solicitado.")
}

// ErrForbidden says that permission p is missing; Desk records it as access.denied.
func ErrForbidden(p Permission) *Error {
	return Fail(Forbidden, "", "No tiene permiso para esta operación.").With("permission", string(p))
}

// ErrPasswordChangeDue asks for a password of one's own.
func ErrPasswordChangeDue() *Error {
	return Fail(PasswordChangeDue, "", "Cambie la contraseña para continuar.")
}

// ErrUnauthenticated asks to sign in.
func ErrUnauthenticated() *Error {
	return Fail(Unauthenticated, "", "Inicie sesión para continuar.")
}
