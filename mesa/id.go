package mesa

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Ids are opaque texts: a prefix that tells the type, then a UUIDv7 (RFC 9562) in lower-case base 32, so that ids of one type
// sort by creation. The same text stands in the database, the log and the API.
type (
	AreaID          string
	UserID          string
	PartyID         string
	DocumentTypeID  string
	CategoryID      string
	RegistryID      string
	DocumentID      string
	DerivationID    string
	BatchID         string
	EventID         string
	ArchiveRecordID string
	SessionID       string
	JobID           string
	ReportID        string
	APIKeyID        string
	IntegrationID   string
	MessageID       string
)

// Prefixes by type of id.
const (
	areaPrefix        = "are_"
	userPrefix        = "usr_"
	partyPrefix       = "pty_"
	typePrefix        = "typ_"
	categoryPrefix    = "cat_"
	registryPrefix    = "reg_"
	documentPrefix    = "doc_"
	derivationPrefix  = "der_"
	batchPrefix       = "bat_"
	eventPrefix       = "evt_"
	archivePrefix     = "arc_"
	sessionPrefix     = "ses_"
	jobPrefix         = "job_"
	reportPrefix      = "rep_"
	apiKeyPrefix      = "key_"
	integrationPrefix = "int_"
	messagePrefix     = "msg_"
)

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// IDs makes the ids of one transaction: of the same instant, a later one sorts after an earlier one. The zero value draws from
// crypto/rand; a given Entropy makes a data set repeatable. It is not safe for concurrent use.
type IDs struct {
	Entropy io.Reader
	n       uint16
}

// make lays out milliseconds, their fraction (RFC 9562 §6.2, method 3), a counter and 48 random bits.
func (g *IDs) make(prefix string, at time.Time) string {
	var b [16]byte
	if g.Entropy == nil {
		rand.Read(b[10:])
	} else if _, err := io.ReadFull(g.Entropy, b[10:]); err != nil {
		panic("mesa: entropy ran dry: " + err.Error())
	}
	us := at.UnixMicro()
	binary.BigEndian.PutUint64(b[:8], uint64(us/1000)<<16|0x7000|uint64(us%1000*4096/1000))
	binary.BigEndian.PutUint16(b[8:10], 0x8000|g.n&0x3fff)
	g.n++
	return prefix + idEncoding.EncodeToString(b[:])
}

// Area makes an area id of the instant.
func (g *IDs) Area(at time.Time) AreaID { return AreaID(g.make(areaPrefix, at)) }

// User makes a user id of the instant.
func (g *IDs) User(at time.Time) UserID { return UserID(g.make(userPrefix, at)) }

// Party makes a party id of the instant.
func (g *IDs) Party(at time.Time) PartyID { return PartyID(g.make(partyPrefix, at)) }

// DocumentType makes a document type id of the instant.
func (g *IDs) DocumentType(at time.Time) DocumentTypeID {
	return DocumentTypeID(g.make(typePrefix, at))
}

// Category makes a category id of the instant.
func (g *IDs) Category(at time.Time) CategoryID { return CategoryID(g.make(categoryPrefix, at)) }

// Registry makes a registry id of the instant.
func (g *IDs) Registry(at time.Time) RegistryID { return RegistryID(g.make(registryPrefix, at)) }

// Document makes a document id of the instant.
func (g *IDs) Document(at time.Time) DocumentID { return DocumentID(g.make(documentPrefix, at)) }

// Derivation makes a derivation id of the instant.
func (g *IDs) Derivation(at time.Time) DerivationID {
	return DerivationID(g.make(derivationPrefix, at))
}

// Batch makes a batch id of the instant.
func (g *IDs) Batch(at time.Time) BatchID { return BatchID(g.make(batchPrefix, at)) }

// Event makes an event id of the instant.
func (g *IDs) Event(at time.Time) EventID { return EventID(g.make(eventPrefix, at)) }

// FirstEventID sorts before the ids of all events of the instant and later, and behind those of earlier ones.
func FirstEventID(at time.Time) EventID {
	if at.Before(time.UnixMicro(0)) {
		at = time.UnixMicro(0)
	}
	return (&IDs{Entropy: zeros{}}).Event(at)
}

// zeros is entropy without any.
type zeros struct{}

// Read fills b with zeros.
func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// ArchiveRecord makes an archive record id of the instant.
func (g *IDs) ArchiveRecord(at time.Time) ArchiveRecordID {
	return ArchiveRecordID(g.make(archivePrefix, at))
}

// Session makes a session id of the instant.
func (g *IDs) Session(at time.Time) SessionID { return SessionID(g.make(sessionPrefix, at)) }

// Job makes a job id of the instant.
func (g *IDs) Job(at time.Time) JobID { return JobID(g.make(jobPrefix, at)) }

// Report makes a report id of the instant.
func (g *IDs) Report(at time.Time) ReportID { return ReportID(g.make(reportPrefix, at)) }

// APIKey makes an API key id of the instant.
func (g *IDs) APIKey(at time.Time) APIKeyID { return APIKeyID(g.make(apiKeyPrefix, at)) }

// Integration makes an integration id of the instant.
func (g *IDs) Integration(at time.Time) IntegrationID {
	return IntegrationID(g.make(integrationPrefix, at))
}

// Message makes an exchange message id of the instant.
func (g *IDs) Message(at time.Time) MessageID { return MessageID(g.make(messagePrefix, at)) }

// NodeKind is the type that an id carries.
type NodeKind int

// The kinds that node(id:) finds; UnknownNode is anything else, also a malformed id.
const (
	UnknownNode NodeKind = iota
	AreaNode
	UserNode
	DocumentTypeNode
	CategoryNode
	DocumentNode
	DerivationNode
	ArchiveRecordNode
	EventNode
	JobNode
	ReportNode
	IntegrationNode
	MessageNode
)

var nodeKinds = map[string]NodeKind{
	areaPrefix: AreaNode, userPrefix: UserNode, typePrefix: DocumentTypeNode, categoryPrefix: CategoryNode,
	documentPrefix: DocumentNode, derivationPrefix: DerivationNode, archivePrefix: ArchiveRecordNode, eventPrefix: EventNode, jobPrefix: JobNode, reportPrefix: ReportNode,
	integrationPrefix: IntegrationNode, messagePrefix: MessageNode,
}

// KindOf reads the type from an id.
func KindOf(id string) NodeKind {
	if len(id) != 4+26 {
		return UnknownNode
	}
	return nodeKinds[id[:4]]
}

// readID accepts any short string: whether it names something is found out by looking it up, and answered NOT_FOUND.
func readID[T ~string](v any, into *T) error {
	s := ""
	switch v := v.(type) {
	case nil: // where the schema allows it
	case string:
		s = v
	case json.Number:
		s = v.String()
	case int64:
		s = strconv.FormatInt(v, 10)
	default:
		return fmt.Errorf("%T is not an id", v)
	}
	if len(s) > 100 || strings.ContainsRune(s, 0) {
		return fmt.Errorf("an id has at most 100 bytes and no NUL")
	}
	*into = T(s)
	return nil
}

func writeString(w io.Writer, s string) {
	if isPlain(s) {
		writePlain(w, s)
		return
	}
	b, _ := json.Marshal(s) // a string always marshals; invalid UTF-8 is replaced
	w.Write(b)
}

// isPlain says that a text reads the same in JSON: ids and most of what people write.
func isPlain(s string) bool {
	ascii := true
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&':
			return false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return ascii || utf8.ValidString(s) && !strings.ContainsAny(s, "\u2028\u2029")
}

// writePlain writes a text in quotes as it is.
func writePlain(w io.Writer, s string) {
	io.WriteString(w, `"`)
	io.WriteString(w, s)
	io.WriteString(w, `"`)
}

// MarshalGQL writes the id.
func (id AreaID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *AreaID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id UserID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *UserID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id PartyID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *PartyID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id DocumentTypeID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *DocumentTypeID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id CategoryID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *CategoryID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id RegistryID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *RegistryID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id DocumentID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *DocumentID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id DerivationID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *DerivationID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id BatchID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *BatchID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id EventID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *EventID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id ArchiveRecordID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *ArchiveRecordID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id JobID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *JobID) UnmarshalGQL(v any) error { return readID(v, id) }
func (id APIKeyID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *APIKeyID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id ReportID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *ReportID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id IntegrationID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *IntegrationID) UnmarshalGQL(v any) error { return readID(v, id) }

// MarshalGQL writes the id.
func (id MessageID) MarshalGQL(w io.Writer) { writeString(w, string(id)) }

// UnmarshalGQL reads an id.
func (id *MessageID) UnmarshalGQL(v any) error { return readID(v, id) }
