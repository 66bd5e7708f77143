package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// NoteAuditExport records that the audit trail leaves the house.
func (d *Desk) NoteAuditExport(ctx context.Context, by *mesa.Actor) error {
	return d.write(ctx, by, func(tx *db.Tx) error {
		return note(ctx, tx, by, mesa.AuditExported, "", about{Text: "Se exportó la pista de auditoría."})
	})
}
