package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
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
			return encoder.Encode(mesa.AuditLine{Seq: e.Seal.Seq, PrevHash: e.Seal.PrevHash, Hash: e.Seal.Hash, Entry: e.Event.Canonical(e.Seal.Seq)})
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
	return printAudit(out, v)
}

// verifiedTail is how many entries of the audit trail mesa verify looks at unless it is asked for all.
const verifiedTail = 10_000

// verifyAudit checks the end of the audit trail, or all of it.
func verifyAudit(out *streams, database *db.DB, all bool) error {
	standing, err := database.SealStanding(out.ctx)
	if err != nil {
		return err
	}
	from := max(1, standing.Seq-verifiedTail+1)
	if all {
		from = 1
	}
	v, err := database.VerifyAudit(out.ctx, from, 0)
	if err != nil {
		return err
	}
	return printAudit(out, v)
}

func printAudit(out *streams, v *mesa.AuditVerification) error {
	if v.FirstBroken != nil {
		fmt.Fprintf(out.stdout, "✗ audit trail: %s\n", v.FirstBroken)
		return fmt.Errorf("not everything is well")
	}
	fmt.Fprintf(out.stdout, "✓ audit trail: %d entries as they were sealed, %d not sealed yet; the last is %d, hash %s\n", v.Count, v.Unsealed, v.HeadSeq(), v.HeadHash())
	return nil
}
