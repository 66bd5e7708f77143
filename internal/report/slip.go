package report

import (
	"slices"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/sheet"
	"github.com/mesapartes/mesa/mesa"
)

// routingSlip shows one document with all legs of its route, in the order they were sent.
func (b *builder) routingSlip() error {
	d, err := b.v.Document(b.ctx, db.DocumentBy{ID: b.p.DocumentID})
	if err != nil {
		return err
	}
	legs, err := b.v.LegsByDocument(b.ctx, []mesa.DocumentID{d.ID})
	if err != nil {
		return err
	}
	for _, fact := range []struct {
		key, label string
		kind       sheet.Kind
		value      any
	}{
		{"fileNumber", "Número de expediente", sheet.Text, string(d.FileNumber)}, {"trackingCode", "Código de seguimiento", sheet.Text, string(d.TrackingCode)},
		{"documentType", "Tipo de documento", sheet.Text, b.typeName(d.TypeID)}, {"sender", "Remitente", sheet.Text, d.Sender.Name},
		{"subject", "Asunto", sheet.Text, d.Subject}, {"folios", "Folios", sheet.Integer, d.Folios},
		{"filedOn", "Fecha legal", sheet.Date, d.FiledOn}, {"dueOn", "Fecha límite", sheet.Date, d.DueOn},
		{"state", "Estado", sheet.Text, mesa.Label(string(d.State))}, {"currentArea", "Área actual", sheet.Text, b.cat.AreaName(d.CurrentAreaID)},
	} {
		b.indicate(fact.key, fact.label, fact.kind, fact.value)
	}
	route := slices.Clone(legs[d.ID])
	slices.SortStableFunc(route, func(a, b *mesa.Derivation) int { return a.SentAt.Compare(b.SentAt) })
	b.Tables = append(b.Tables, sheet.Table{Key: "route", Title: "Ruta", Columns: []sheet.Column{
		{Key: "number", Title: "N.º"}, {Key: "kind", Title: "Tipo"}, {Key: "from", Title: "De", Width: 24}, {Key: "to", Title: "A", Width: 24},
		{Key: "sentBy", Title: "Enviado por", Width: 22}, {Key: "sentAt", Title: "Enviado", Kind: sheet.DateTime},
		{Key: "receivedBy", Title: "Recibido por", Width: 22}, {Key: "receivedAt", Title: "Recibido", Kind: sheet.DateTime},
		{Key: "state", Title: "Estado"}, {Key: "closedAt", Title: "Cerrado", Kind: sheet.DateTime},
		{Key: "instructions", Title: "Indicaciones", Width: 36}, {Key: "notes", Title: "Resultado", Width: 30},
	}, Rows: rowsOf(route, b.leg)})
	return nil
}

func (b *builder) leg(l *mesa.Derivation) []any {
	notes := l.ClosingNotes
	if notes == "" {
		notes = l.Reason
	}
	return []any{
		l.Number, mesa.Label(string(l.Kind)), b.cat.AreaName(l.FromID), b.cat.AreaName(l.ToID), b.userName(l.SentByID), l.SentAt,
		b.userName(l.ReceivedByID), l.ReceivedAt, mesa.Label(string(l.State)), l.ClosedAt, l.Instructions, string(notes),
	}
}
