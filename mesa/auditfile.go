package mesa

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// AuditLine is a line of an exported audit trail: an entry in its canonical form with its place in the chain.
type AuditLine struct {
	Seq      int64           `json:"seq"`
	PrevHash string          `json:"prevHash"`
	Hash     string          `json:"hash"`
	Entry    json.RawMessage `json:"entry"`
}

// VerifyAuditFile checks an exported audit trail line by line, without a database. What comes before its first line is taken to be right.
// An error says that it could not be read.
func VerifyAuditFile(from io.Reader) (*AuditVerification, error) {
	v, lines := &AuditVerification{}, bufio.NewReader(from)
	for {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(text) == 0 {
			return v, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		line := AuditLine{}
		if err := json.Unmarshal(text, &line); err != nil {
			return nil, fmt.Errorf("line %d is not an entry: %w", v.Count+1, err)
		}
		if v.Count == 0 {
			v.Head = ChainEnd{Seq: line.Seq - 1, Hash: line.PrevHash}
		}
		if v.FirstBroken = line.fault(v.Head); v.FirstBroken != nil {
			return v, nil
		}
		v.Head = ChainEnd{Seq: line.Seq, Hash: line.Hash}
		v.Count++
	}
}

// fault says what is wrong with a line after the end of a chain, nil when it goes on from there.
func (l *AuditLine) fault(end ChainEnd) *AuditFault {
	if l.Seq != end.Seq+1 {
		return &AuditFault{end.Seq + 1, EntryMissing}
	}
	var entry struct{ Seq int64 }
	canonical, err := CanonicalJSON(l.Entry)
	if err != nil || json.Unmarshal(canonical, &entry) != nil || entry.Seq != l.Seq || l.PrevHash != end.Known() || end.Extend(canonical).Hash != l.Hash {
		return &AuditFault{l.Seq, EntryChanged}
	}
	return nil
}
