package desk

import (
	"context"
	"slices"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// UpdateDocumentInput changes facts of a document. Given names the fields that were in the input: a field that is given and null
// clears, one that is not given stays.
type UpdateDocumentInput struct {
	DocumentID      mesa.DocumentID
	ExpectedVersion *int
	Subject         *string
	Notes           *string
	Priority        mesa.Priority
	Tags            []string
	CategoryID      mesa.CategoryID
	Folios          *int
	ExternalNumber  *string
	DocumentDate    mesa.Date
	DueOn           mesa.Date
	Confidentiality mesa.Confidentiality
	Reason          *string

	Given []string
}

// Update changes facts of a document after its registration.
func (d *Desk) Update(ctx context.Context, by *mesa.Actor, in UpdateDocumentInput) (*mesa.Document, error) {
	u, err := in.update()
	if err != nil {
		return nil, err
	}
	return d.onDocument(ctx, by, mesa.MayUpdate, in.DocumentID, in.ExpectedVersion, func(_ *db.Tx, f *mesa.File) error { return f.Update(u) })
}

// update turns the input into the change that the rules know.
func (in UpdateDocumentInput) update() (mesa.Update, error) {
	u, v := mesa.Update{Reason: optionalLines(in.Reason)}, mesa.Violations{}
	given := func(field string) bool { return slices.Contains(in.Given, field) }
	required := func(field string, isNull bool) bool {
		v.Check(!given(field) || !isNull, field, "Este campo no puede quedar vacío.")
		return given(field) && !isNull
	}
	if required("subject", in.Subject == nil) {
		subject := lines(*in.Subject)
		u.Subject = &subject
	}
	if required("priority", in.Priority == "") {
		u.Priority = &in.Priority
	}
	if required("folios", in.Folios == nil) {
		u.Folios = in.Folios
	}
	if required("confidentiality", in.Confidentiality == "") {
		u.Confidentiality = &in.Confidentiality
	}
	if given("notes") {
		notes := optionalLines(in.Notes)
		u.Notes = &notes
	}
	if given("externalNumber") {
		number := optionalLine(in.ExternalNumber)
		u.ExternalNumber = &number
	}
	if given("tags") {
		u.Tags = &in.Tags
	}
	if given("categoryId") {
		u.CategoryID = &in.CategoryID
	}
	if given("documentDate") {
		u.DocumentDate = &in.DocumentDate
	}
	if given("dueOn") {
		u.DueOn = &in.DueOn
	}
	return u, v.Err()
}
