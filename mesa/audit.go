package mesa

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// The audit trail is sealed by a chain of hashes: docs/decisions/0013-audit-chain.md says how, so that somebody without this program
// can work it out again.

// Seal is the place of an event in the chain.
type Seal struct {
	Seq      int64 `bun:",pk"` // from 1, without gaps, in the order of commits
	EventTx  int64
	EventSeq int64
	EventID  EventID
	PrevHash string `bun:",scanonly"` // hash of the seal before
	Hash     string // 64 hexadecimal digits
	Format   int    // of the entry that it was made from, see SealFormat
	SealedAt time.Time
}

// AuditCheckpoint is how far the chain was at the end of a day. Whoever keeps one elsewhere can tell later whether the chain up to it is
// still the same.
type AuditCheckpoint struct {
	Seq       int64 `bun:",pk"`
	Hash      string
	Date      Date
	CreatedAt time.Time
}

// AuditFilter is conditions on the entries of the audit trail; all given ones must hold.
type AuditFilter struct {
	At         *DateTimeRange
	ActorID    string
	Types      []string // whole ones, or all that begin with one that ends with a dot
	ObjectID   string
	DocumentID DocumentID
}

// ChainEnd is how far a chain of hashes goes. The zero value is the end of an empty one.
type ChainEnd struct {
	Seq  int64
	Hash string
}

// noHash stands before the first entry.
var noHash = strings.Repeat("0", 2*sha256.Size)

// Known is the hash of the last entry, 64 zeros when there is none.
func (c ChainEnd) Known() string { return cmp.Or(c.Hash, noHash) }

// Extend is the end of the chain with one entry more, in its canonical form.
func (c ChainEnd) Extend(canonical []byte) ChainEnd {
	h := sha256.New()
	io.WriteString(h, c.Known())
	h.Write(canonical)
	return ChainEnd{Seq: c.Seq + 1, Hash: hex.EncodeToString(h.Sum(nil))}
}

// SealFormat is the format of the canonical form in which entries are sealed now.
const SealFormat = 2

// withoutOrigin is the format in which an entry has no address and no client, whether the event has or not: what one process writes another
// may seal that knows nothing of them, amid an upgrade.
const withoutOrigin = 1

// Seal is the end of the chain with an event more, in a format.
func (c ChainEnd) Seal(e *Event, format int) ChainEnd { return c.Extend(e.Canonical(c.Seq+1, format)) }

// AuditFaultReason is how a chain is broken.
type AuditFaultReason string

// The ways in which a chain can be broken.
const (
	EntryChanged       AuditFaultReason = "ENTRY_CHANGED"
	EntryMissing       AuditFaultReason = "ENTRY_MISSING"
	EntryAdded         AuditFaultReason = "ENTRY_ADDED"
	SealMissing        AuditFaultReason = "SEAL_MISSING"
	CheckpointMismatch AuditFaultReason = "CHECKPOINT_MISMATCH"
)

// AuditFaultReasons lists them with what they mean.
var AuditFaultReasons = []AuditFaultReason{EntryChanged, EntryMissing, EntryAdded, SealMissing, CheckpointMismatch}

// auditFaults says what the reasons mean, for operators.
var auditFaults = map[AuditFaultReason]string{
	EntryChanged:       "the entry, its place or its seal was changed",
	EntryMissing:       "the entry was deleted, its seal is there",
	EntryAdded:         "an entry without a seal was put before this one later",
	SealMissing:        "the seal was deleted",
	CheckpointMismatch: "the chain is not the one that a checkpoint knows: it was made anew",
}

// AuditFault is the first place at which a chain is broken.
type AuditFault struct {
	Seq    int64
	Reason AuditFaultReason
}

// String says it for operators.
func (f AuditFault) String() string {
	return fmt.Sprintf("entry %d: %s (%s)", f.Seq, f.Reason, auditFaults[f.Reason])
}

// AuditVerification is what a check of the chain found.
type AuditVerification struct {
	Count       int64       // entries that were checked and hold
	Unsealed    int64       // entries after the end of the chain
	Head        ChainEnd    // the last entry that was checked and holds
	FirstBroken *AuditFault // nil when all hold
}

// Ok says whether all entries that were checked hold.
func (v *AuditVerification) Ok() bool { return v.FirstBroken == nil }

// HeadSeq is the number of the last entry that holds, 0 for none.
func (v *AuditVerification) HeadSeq() int64 { return v.Head.Seq }

// HeadHash is its hash.
func (v *AuditVerification) HeadHash() string { return v.Head.Known() }

// MarshalGQL writes the name.
func (r AuditFaultReason) MarshalGQL(w io.Writer) { writeEnum(w, r) }

// UnmarshalGQL reads a name.
func (r *AuditFaultReason) UnmarshalGQL(v any) error { return readEnum(v, r, AuditFaultReasons) }

// canonicalTime is how instants are written: UTC, always with microseconds.
const canonicalTime = "2006-01-02T15:04:05.000000Z"

// Canonical is the event as the entry seq of the audit trail, in the one form in which a format can write it: JSON as RFC 8785 has it. What
// has no value is left out. It does not depend on the database.
func (e *Event) Canonical(seq int64, format int) []byte {
	address, client := e.Address, e.Client
	if format == withoutOrigin {
		address, client = "", ""
	}
	b := make([]byte, 0, 512)
	b = append(b, '{')
	b = appendMember(b, "actorId", e.ActorID)
	b = appendMember(b, "actorKind", string(e.ActorKind))
	b = appendMember(b, "actorName", e.ActorName)
	b = appendMember(b, "address", address)
	b = append(b, `"areaIds":[`...)
	for i, id := range e.AreaIDs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, string(id))
	}
	b = append(b, "],"...)
	b = appendMember(b, "at", e.At.UTC().Format(canonicalTime))
	if e.Changes != nil {
		b = append(b, `"changes":`...)
		b = append(appendChanges(b, e.Changes), ',')
	}
	b = appendMember(b, "client", client)
	b = appendMember(b, "derivationId", string(e.DerivationID))
	b = appendMember(b, "documentId", string(e.DocumentID))
	b = appendMember(b, "id", string(e.ID))
	b = appendMember(b, "objectId", e.ObjectID)
	b = appendMember(b, "reason", string(e.Reason))
	b = appendMember(b, "requestId", e.RequestID)
	b = append(b, `"seq":`...)
	b = append(strconv.AppendInt(b, seq, 10), ',')
	b = appendMember(b, "text", e.Text)
	b = appendMember(b, "type", string(e.Type))
	b[len(b)-1] = '}' // instead of the last comma; a type is never empty
	return b
}

// appendMember writes a member and a comma, nothing for an empty text.
func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":`...)
	return append(appendText(b, value), ',')
}

func appendChanges(b []byte, changes map[string]Change) []byte {
	object := make(map[string]any, len(changes))
	for field, c := range changes {
		object[field] = map[string]any{"before": c.Before, "after": c.After}
	}
	return appendJSON(b, object)
}

// CanonicalJSON is a JSON text as RFC 8785 has it.
func CanonicalJSON(text []byte) ([]byte, error) {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	return appendJSON(nil, v), nil
}

// appendJSON writes a value that was read from JSON; any other is written as JSON first.
func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case string:
		return appendText(b, v)
	case float64:
		return appendNumber(b, v)
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, item)
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for i, name := range slices.SortedFunc(maps.Keys(v), compareUTF16) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, name), ':')
			b = appendJSON(b, v[name])
		}
		return append(b, '}')
	}
	text, err := json.Marshal(v)
	if err == nil {
		text, err = CanonicalJSON(text)
	}
	if err != nil {
		panic(fmt.Sprintf("mesa: %T is no value of an event: %v", v, err))
	}
	return append(b, text...)
}

// appendNumber writes a number as ECMAScript does, which encoding/json follows but for zero with a sign.
func appendNumber(b []byte, n float64) []byte {
	if n == 0 {
		return append(b, '0')
	}
	text, _ := json.Marshal(n) // what was read from JSON is finite
	return append(b, text...)
}

// compareUTF16 orders names as ECMAScript does, by their UTF-16 code units.
func compareUTF16(x, y string) int {
	return slices.Compare(utf16.Encode([]rune(x)), utf16.Encode([]rune(y)))
}

// appendText writes a text in quotes. What is not UTF-8 is replaced.
func appendText(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ':
			b = utf8.AppendRune(b, r)
		default:
			if i := strings.IndexRune("\b\t\n\f\r", r); i >= 0 {
				b = append(b, '\\', "btnfr"[i])
			} else {
				b = append(b, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
			}
		}
	}
	return append(b, '"')
}
