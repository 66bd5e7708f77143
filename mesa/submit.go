package mesa

import (
	"time"
	"unicode/utf8"
)

// Submission is a document as a machine hands it in, already cleaned; Check checks it.
type Submission struct {
	Registration
	ExternalID string  // the machine's own id of it, unique among all that its key ever hands in
	Channel    Channel // EXCHANGE from another institution; default API
	AtOnce     bool    // it is registered without waiting for the desk
}

const maxExternalID = 100

// IsExternalID says whether a text can be a machine's own id of a document: 1 to 100 characters.
func IsExternalID(s string) bool { return s != "" && utf8.RuneCountInString(s) <= maxExternalID }

// Check collects all that is wrong with a submission.
func (s *Submission) Check(by *Actor, desk AreaID, now time.Time) error {
	var v Violations
	v.Check(IsExternalID(s.ExternalID), "externalId", "Debe tener entre %d y %d caracteres.", 1, maxExternalID)
	v.Add(s.Registration.Check(by, desk, now))
	return v.Err()
}

// Submit makes the file of a document that a machine hands in (T2). It waits for the desk: no number, and no clock runs yet. One that is
// registered at once is from here on as if the desk had accepted it, but that nobody registered it. The caller has checked it.
func Submit(by *Actor, at time.Time, ids *IDs, desk AreaID, code TrackingCode, s Submission) (*File, error) {
	f := arrive(by, at, ids, desk, code, cmpOr(s.Channel, API), s.Registration)
	f.Doc.State, f.Doc.IntegrationID, f.Doc.ExternalID = Submitted, by.ID(), Text(s.ExternalID)
	f.grant(by.ID())
	f.event(DocumentSubmitted, nil, "Presentado en "+f.cat.AreaName(desk), desk)
	if s.AtOnce {
		if err := f.accept(s.DueOn, ""); err != nil {
			return nil, err
		}
	}
	f.settle()
	return f, nil
}

// Acceptance is what the desk decides when it registers a submission; what is not given stays as it was submitted.
type Acceptance struct {
	TypeID          DocumentTypeID
	CategoryID      CategoryID
	Priority        Priority
	Confidentiality Confidentiality // default, with another type: that type's if it is stricter
	Tags            *[]string
	Notes           *Text
	DueOn           Date // default: by the type's term
}

// RegisterSubmission accepts a submission (T3): from here on it is like a document that was registered at the counter.
func (f *File) RegisterSubmission(a Acceptance) error {
	d := f.Doc
	if err := f.by.Require(MayRegister, d.DeskAreaID); err != nil {
		return err
	}
	if !documentMoves.allows(d.State, ActRegister) {
		return invalidTransition(d.State)
	}
	r := f.registrationBy(a)
	if err := r.Check(f.by, d.DeskAreaID, f.at); err != nil {
		return err
	}
	if d.Confidentiality.isStricterThan(r.Confidentiality) && !f.by.May(MaySetConfidential, d.DeskAreaID) {
		return ErrForbidden(MaySetConfidential)
	}
	tags, changes := cleanTags(r.Tags), &Event{}
	set(changes, "typeId", &d.TypeID, &r.TypeID)
	set(changes, "categoryId", &d.CategoryID, &r.CategoryID)
	set(changes, "priority", &d.Priority, &r.Priority)
	d.PriorityRank = PriorityRank(d.Priority)
	set(changes, "confidentiality", &d.Confidentiality, &r.Confidentiality)
	set(changes, "tags", &d.Tags, &tags)
	set(changes, "notes", &d.Notes, &r.Notes)
	if err := f.accept(a.DueOn, ""); err != nil {
		*d = f.before
		return err
	}
	f.events[0].Changes = changes.Changes
	f.settle()
	return nil
}

// registrationBy is the submission as it is to be registered.
func (f *File) registrationBy(a Acceptance) Registration {
	d := f.Doc
	r := Registration{
		TypeID: d.TypeID, CategoryID: d.CategoryID, Subject: d.Subject, Sender: d.Sender, Folios: d.Folios, AnnexText: d.AnnexDescription,
		ExternalNumber: d.ExternalNumber, DocumentDate: d.DocumentDate, Priority: cmpOr(a.Priority, d.Priority), Confidentiality: d.Confidentiality,
		Tags: d.Tags, Notes: d.Notes,
	}
	if a.TypeID != "" && a.TypeID != d.TypeID {
		r.TypeID, r.CategoryID = a.TypeID, ""
		if typ := f.cat.Type(a.TypeID); typ != nil && typ.DefaultConfidentiality.isStricterThan(d.Confidentiality) {
			r.Confidentiality = typ.DefaultConfidentiality
		}
	}
	r.CategoryID, r.Confidentiality = cmpOr(a.CategoryID, r.CategoryID), cmpOr(a.Confidentiality, r.Confidentiality)
	if a.Tags != nil {
		r.Tags = *a.Tags
	}
	if a.Notes != nil {
		r.Notes = *a.Notes
	}
	return r
}

// Decline refuses a submission (T4). It never gets a number; the sender is told why.
func (f *File) Decline(reason NotFiledReason, text string) error {
	d := f.Doc
	if err := f.by.Require(MayObserve, d.DeskAreaID); err != nil {
		return err
	}
	if !documentMoves.allows(d.State, ActDecline) {
		return invalidTransition(d.State)
	}
	var v Violations
	checkText(&v, "text", text, 10, 1000)
	if err := v.Err(); err != nil {
		return err
	}
	d.State, d.NotFiledReason, d.NotFiledText = NotFiled, reason, Text(text)
	e := f.event(DocumentNotFiled, nil, "No presentado: "+Label(string(reason)))
	e.Reason = Text(text)
	e.change("notFiledReason", f.before.NotFiledReason, reason)
	f.settle()
	return nil
}
