package desk

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// SubmitDocumentInput is a document that a machine hands in.
type SubmitDocumentInput struct {
	ExternalID       string
	TypeCode         string
	Subject          string
	Sender           SenderInput
	Folios           int
	ExternalNumber   *string
	DocumentDate     mesa.Date
	AnnexDescription *string
	Priority         mesa.Priority
	DeskAreaID       mesa.AreaID
	Confidentiality  mesa.Confidentiality `json:",omitempty"` // as the next one, not in the hash of inputs of before
	Notes            *string              `json:",omitempty"`
}

// Submit takes in a document from a machine (T2): it waits in the desk's tray TO_REGISTER. The machine's own id makes a repeat harmless
// for ever: with the same input it gives the first document again, as it stands by now, with another IdempotencyMismatch. What a key of an
// integration hands in is received as the integration says: not at all, at its default desk, as its default type, registered at once; its channel is EXCHANGE.
func (d *Desk) Submit(ctx context.Context, by *mesa.Actor, in SubmitDocumentInput) (doc *mesa.Document, duplicate bool, err error) {
	in.ExternalID = line(in.ExternalID)
	err = d.write(ctx, by, func(tx *db.Tx) error {
		if err := by.RequireScope(mesa.ScopeSubmit); err != nil {
			return err
		}
		if duplicate, err = isRepeat(ctx, tx, by, in); err != nil {
			return err
		}
		if duplicate {
			doc, err = tx.View(by).Submission(ctx, in.ExternalID)
			return err
		}
		from, err := tx.IntegrationOfKey(ctx, by.Key)
		if err != nil {
			return err
		}
		s, desk, err := in.check(by, tx, from)
		if err != nil {
			return err
		}
		doc, err = submit(ctx, tx, by, desk, in.Sender, s)
		return err
	})
	return doc, duplicate, err
}

// isRepeat says whether the key handed in this document before. That comes before all checks: a repeat is one, though a type or a desk may
// be closed by now.
func isRepeat(ctx context.Context, tx *db.Tx, by *mesa.Actor, in SubmitDocumentInput) (bool, error) {
	if !mesa.IsExternalID(in.ExternalID) {
		return false, nil // check says so, with all the rest
	}
	isNew, err := tx.ClaimSubmission(ctx, by, in.ExternalID, in)
	return !isNew, err
}

func submit(ctx context.Context, tx *db.Tx, by *mesa.Actor, desk mesa.AreaID, sender SenderInput, s mesa.Submission) (*mesa.Document, error) {
	party := sender.party(s.Sender)
	if err := tx.FindOrAddParty(ctx, party); err != nil {
		return nil, err
	}
	s.SenderID = party.ID
	code, err := mesa.NewTrackingCode(rand.Reader)
	if err != nil {
		return nil, err
	}
	f, err := mesa.Submit(by, tx.Now(), tx.IDs(), desk, code, s)
	if err != nil {
		return nil, err
	}
	return f.Doc, tx.SaveFile(ctx, f)
}

// check is the submission and its desk, if both are in order. from is the key's integration, nil without one.
func (in SubmitDocumentInput) check(by *mesa.Actor, tx *db.Tx, from *mesa.Integration) (mesa.Submission, mesa.AreaID, error) {
	none, usual, channel, atOnce := mesa.Submission{}, mesa.AreaID(""), mesa.API, false
	if from != nil {
		if err := from.CheckReceives(); err != nil {
			return none, "", err
		}
		usual, channel, atOnce = from.DefaultAreaID, mesa.Exchange, from.AutoRegister
	}
	typ, tags, err := by.Catalogue.ReceivedType(strings.ToUpper(line(in.TypeCode)), from)
	if err != nil {
		return none, "", err
	}
	desk, err := by.Key.SubmittingDesk(by.Catalogue, in.DeskAreaID, usual)
	if err != nil {
		return none, "", err
	}
	r := RegisterDocumentInput{
		TypeID: typ.ID, Tags: tags, Subject: in.Subject, Sender: in.Sender, Folios: in.Folios, ExternalNumber: in.ExternalNumber,
		DocumentDate: in.DocumentDate, AnnexDescription: in.AnnexDescription, Priority: in.Priority,
		Confidentiality: in.Confidentiality, Notes: in.Notes,
	}
	s := mesa.Submission{Registration: r.registration(), ExternalID: in.ExternalID, Channel: channel, AtOnce: atOnce}
	return s, desk, s.Check(by, desk, tx.Now())
}
