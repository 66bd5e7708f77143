package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/verify"
	"github.com/mesapartes/mesa/mesa"
)

type auditCmd struct {
	Export exportAuditCmd `cmd:"" help:"Print the sealed audit trail, one entry on each line, for an auditor to keep and check elsewhere."`
	Verify auditFileCmd   `cmd:"" help:"Check an exported audit trail, without a database."`
}

type exportAuditCmd struct {
	From int64 `help:"First entry; default: the first."`
	To   int64 `help:"Last entry; default: the last that is sealed."`
}

// Run records the export and prints the entries.
func (c *exportAuditCmd) Run(out *streams, s *settings) error {
	return withStore(out, s, func(st *store, d *desk.Desk, by *mesa.Actor) error {
		if err := d.NoteAuditExport(out.ctx, by); err != nil {
			return err
		}
		w := bufio.NewWriter(out.stdout)
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		err := st.EachSealed(out.ctx, c.From, c.To, func(e db.SealedEvent) error {
			return encoder.Encode(mesa.AuditLine{Seq: e.Seal.Seq, PrevHash: e.Seal.PrevHash, Hash: e.Seal.Hash, Entry: e.Event.Canonical(e.Seal.Seq, e.Seal.Format)})
		})
		if err != nil {
			return err
		}
		return w.Flush()
	})
}

type auditFileCmd struct {
	File string `arg:"" type:"existingfile" help:"What mesa audit export printed."`
}

// Run prints one line; the exit code is 1 when the chain is broken.
func (c *auditFileCmd) Run(out *streams, _ *settings) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	v, err := mesa.VerifyAuditFile(f)
	if err != nil {
		return err
	}
	line := verify.Line{Name: "audit trail", Result: verify.AuditResult(v)}
	fmt.Fprint(out.stdout, line)
	if line.State == verify.StateFailed {
		return errNotWell
	}
	return nil
}
