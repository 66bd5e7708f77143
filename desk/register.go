package desk

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// SenderInput is who brings a document.
type SenderInput struct {
	Kind         mesa.PartyKind
	IDType       mesa.IDType
	IDNumber     *string
	Name         string
	Email        *string
	Phone        *string
	AcceptsEmail bool
}

// RegisterDocumentInput is a document at the counter.
type RegisterDocumentInput struct {
	TypeID            mesa.DocumentTypeID
	CategoryID        mesa.CategoryID
	Subject           string
	Sender            SenderInput
	Folios            int
	ExternalNumber    *string
	DocumentDate      mesa.Date
	AnnexDescription  *string
	Priority          mesa.Priority
	Confidentiality   mesa.Confidentiality
	Tags              []string
	Notes             *string
	DueOn             mesa.Date
	RelatedDocumentID mesa.DocumentID
	SubmittedAt       *time.Time
	Reason            *string
	DeskAreaID        mesa.AreaID
	IdempotencyKey    *string
}

// Register registers a document at the counter (T1): number, tracking code, dates, and the registrar follows it.
func (d *Desk) Register(ctx context.Context, by *mesa.Actor, in RegisterDocumentInput) (doc *mesa.Document, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		doc = nil // what an earlier try of the transaction left
		var result struct{ ID mesa.DocumentID }
		err := tx.Once(ctx, by, in.IdempotencyKey, in, &result, func() error {
			f, err := d.register(ctx, tx, by, in)
			if err == nil {
				doc, result.ID = f.Doc, f.Doc.ID
			}
			return err
		})
		if err == nil && doc == nil { // a repeat
			doc, err = tx.View(by).Document(ctx, db.DocumentBy{ID: result.ID})
		}
		return err
	})
	return doc, err
}

func (d *Desk) register(ctx context.Context, tx *db.Tx, by *mesa.Actor, in RegisterDocumentInput) (*mesa.File, error) {
	desk, err := registeringDesk(by, in.DeskAreaID)
	if err != nil {
		return nil, err
	}
	r := in.registration()
	if err := r.Check(by, desk, tx.Now()); err != nil {
		return nil, err
	}
	if r.RelatedID != "" {
		related, err := tx.View(by).Document(ctx, db.DocumentBy{ID: r.RelatedID})
		if err != nil {
			return nil, onField(err, "relatedDocumentId")
		}
		if err := mesa.CheckRelated(related); err != nil {
			return nil, err
		}
	}
	party := in.Sender.party(r.Sender)
	if err := tx.FindOrAddParty(ctx, party); err != nil {
		return nil, err
	}
	r.SenderID = party.ID
	code, err := mesa.NewTrackingCode(rand.Reader)
	if err != nil {
		return nil, err
	}
	f, err := mesa.Register(by, tx.Now(), tx.IDs(), desk, code, r)
	if err != nil {
		return nil, err
	}
	if err := tx.SaveFile(ctx, f); err != nil {
		return nil, err
	}
	_, err = tx.Watch(ctx, by.UserID, f.Doc.ID, true)
	return f, err
}

// registeringDesk is the desk asked for, else the actor's own: a desk among their areas, else the first one where they may register.
func registeringDesk(by *mesa.Actor, asked mesa.AreaID) (mesa.AreaID, error) {
	if !by.MayAnywhere(mesa.MayRegister) {
		return "", mesa.ErrForbidden(mesa.MayRegister)
	}
	if asked != "" {
		area := by.Catalogue.Area(asked)
		if area == nil || !area.IsDesk || !area.IsActive {
			return "", mesa.Invalid("deskAreaId", "El área indicada no es una mesa de partes activa.")
		}
		return asked, by.Require(mesa.MayRegister, asked)
	}
	for _, id := range by.Areas {
		if area := by.Catalogue.Area(id); area != nil && area.IsDesk && area.IsActive && by.May(mesa.MayRegister, id) {
			return id, nil
		}
	}
	for _, area := range by.Catalogue.Desks() {
		if by.May(mesa.MayRegister, area.ID) {
			return area.ID, nil
		}
	}
	return "", mesa.ErrForbidden(mesa.MayRegister)
}

func (in RegisterDocumentInput) registration() mesa.Registration {
	r := mesa.Registration{
		TypeID: in.TypeID, CategoryID: in.CategoryID, Subject: lines(in.Subject), Folios: in.Folios,
		AnnexText: optionalLines(in.AnnexDescription), ExternalNumber: optionalLine(in.ExternalNumber), DocumentDate: in.DocumentDate,
		Priority: in.Priority, Confidentiality: in.Confidentiality, Tags: in.Tags, Notes: optionalLines(in.Notes), DueOn: in.DueOn,
		RelatedID: in.RelatedDocumentID, Reason: optionalLines(in.Reason),
		Sender: mesa.Sender{
			Kind: in.Sender.Kind, IDType: in.Sender.IDType, IDNumber: mesa.Text(strings.ToUpper(string(optionalLine(in.Sender.IDNumber)))),
			Name: line(in.Sender.Name), Email: mesa.Text(strings.ToLower(string(optionalLine(in.Sender.Email)))),
		},
	}
	if r.Sender.IDType == "" {
		r.Sender.IDType = mesa.NoID
	}
	if in.SubmittedAt != nil {
		r.SubmittedAt = in.SubmittedAt.UTC().Truncate(time.Microsecond)
	}
	return r
}

func (in SenderInput) party(s mesa.Sender) *mesa.Party {
	return &mesa.Party{
		Kind: s.Kind, IDType: s.IDType, IDNumber: string(s.IDNumber), Name: s.Name, Email: s.Email, Phone: optionalLine(in.Phone),
		AcceptsEmail: in.AcceptsEmail,
	}
}

// onField says that a not-found concerns another field of the input.
func onField(err error, field string) error {
	if e, ok := errors.AsType[*mesa.Error](err); ok {
		moved := *e
		moved.Field = field
		return &moved
	}
	return err
}
