package mesa

import (
	"fmt"
	"slices"
	"time"
)

// Registration is a document as it is brought to the counter, already cleaned; Register checks it.
type Registration struct {
	TypeID          DocumentTypeID
	CategoryID      CategoryID
	Subject         string
	Sender          Sender
	SenderID        PartyID
	Folios          int
	AnnexText       Text
	ExternalNumber  Text
	DocumentDate    Date
	Priority        Priority
	Confidentiality Confidentiality // default: the type's
	Tags            []string
	Notes           Text
	DueOn           Date
	RelatedID       DocumentID
	SubmittedAt     time.Time // zero means now; earlier needs document.backdate
	Reason          Text      // why it is backdated
}

// Check collects all that is wrong with a registration for an actor at an instant. The desk must be one where the actor registers.
func (r *Registration) Check(by *Actor, desk AreaID, now time.Time) error {
	cat := by.Catalogue
	var v Violations
	typ := cat.Type(r.TypeID)
	v.Check(typ != nil && typ.IsActive, "typeId", "El tipo de documento no existe o está inactivo.")
	if r.CategoryID != "" {
		category := cat.Category(r.CategoryID)
		v.Check(category != nil && category.TypeID == r.TypeID && category.IsActive, "categoryId", "La categoría no pertenece al tipo de documento.")
	}
	checkText(&v, "subject", r.Subject, 3, 2000)
	checkSender(&v, r.Sender, typ)
	v.Check(r.Folios >= 0 && r.Folios <= 99_999, "folios", "Los folios van de 0 a 99999.")
	checkText(&v, "annexDescription", string(r.AnnexText), 0, 500)
	checkText(&v, "externalNumber", string(r.ExternalNumber), 0, 100)
	checkText(&v, "notes", string(r.Notes), 0, 2000)
	v.Check(r.DocumentDate <= cat.Today(now), "documentDate", "La fecha del documento no puede ser futura.")
	checkTags(&v, r.Tags)
	r.checkBackdate(&v, by, desk, now)
	return v.Err()
}

func (r *Registration) checkBackdate(v *Violations, by *Actor, desk AreaID, now time.Time) {
	if r.SubmittedAt.IsZero() || r.SubmittedAt.Equal(now) {
		return
	}
	if r.SubmittedAt.After(now) {
		v.Check(false, "submittedAt", "La fecha de presentación no puede ser futura.")
		return
	}
	if !by.May(MayBackdate, desk) {
		v.Add(ErrForbidden(MayBackdate))
		return
	}
	cat := by.Catalogue
	limit := cat.Institution.MaxBackdateBusinessDays
	age := cat.Calendar.BusinessDaysBetween(cat.Today(r.SubmittedAt), cat.Today(now))
	v.Check(age <= limit, "submittedAt", "La fecha de presentación puede retroceder %d días hábiles como máximo.", limit)
	v.Add(CheckReason(string(r.Reason)))
}

// CheckRelated is Invalid unless the document that a new one refers to was registered.
func CheckRelated(related *Document) error {
	if related.RegisteredAt.IsZero() {
		return Invalid("relatedDocumentId", "El expediente relacionado no está registrado.")
	}
	return nil
}

func checkText(v *Violations, field, text string, least, most int) {
	n := len([]rune(text))
	if least > 0 {
		v.Check(n >= least && n <= most, field, "Debe tener entre %d y %d caracteres.", least, most)
	} else {
		v.Check(n <= most, field, "Debe tener %d caracteres como máximo.", most)
	}
}

func checkSender(v *Violations, s Sender, typ *DocumentType) {
	checkTextUnder(v, "sender", "name", s.Name, 2, 255)
	checkTextUnder(v, "sender", "email", string(s.Email), 0, 255)
	if err := CheckIdentity(s.Kind, s.IDType, string(s.IDNumber)); err != nil {
		if e, ok := err.(*Error); ok {
			e.Field = fieldPath("sender", e.Field)
		}
		v.Add(err)
	}
	if s.Kind == AnonymousParty && typ != nil {
		v.Check(typ.AllowsAnonymous, "sender.kind", "Este tipo de documento no admite remitente anónimo.")
	}
}

func checkTextUnder(v *Violations, parent, field, text string, least, most int) {
	checkText(v, fieldPath(parent, field), text, least, most)
}

// MaxTags is how many tags a document carries at most.
const MaxTags = 10

func checkTags(v *Violations, tags []string) {
	v.Check(len(tags) <= MaxTags, "tags", "Se admiten %d etiquetas como máximo.", MaxTags)
	for i, tag := range tags {
		v.Check(isSlug(tag), fmt.Sprintf("tags.%d", i), "Una etiqueta lleva minúsculas, dígitos y guiones, 40 como máximo.")
	}
}

func isSlug(tag string) bool {
	if tag == "" || len(tag) > 40 {
		return false
	}
	for i := range len(tag) {
		c := tag[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// Register makes the file of a document at the counter (T1). The caller has checked it and allocates number, seq and file number.
func Register(by *Actor, at time.Time, ids *IDs, desk AreaID, code TrackingCode, r Registration) (*File, error) {
	f := arrive(by, at, ids, desk, code, Counter, r)
	if err := f.accept(r.DueOn, r.Reason); err != nil {
		return nil, err
	}
	f.settle()
	return f, nil
}

// arrive makes the file of a document that comes in, by whatever channel: what it says and when it was filed.
func arrive(by *Actor, at time.Time, ids *IDs, desk AreaID, code TrackingCode, channel Channel, r Registration) *File {
	submitted := r.SubmittedAt
	if submitted.IsZero() {
		submitted = at
	}
	cat := by.Catalogue
	inst, typ := cat.Institution, cat.Type(r.TypeID)
	doc := &Document{
		ID: ids.Document(at), TrackingCode: code, Channel: channel,
		SubmittedAt: submitted, FiledOn: cat.Calendar.FiledOn(submitted, inst.FilingPolicy, inst.OfficeCutoff), FilingPolicy: inst.FilingPolicy,
		ListedAt: submitted, DeskAreaID: desk, TypeID: r.TypeID, CategoryID: r.CategoryID,
		SenderID: r.SenderID, Sender: r.Sender, Subject: r.Subject, Folios: r.Folios, AnnexDescription: r.AnnexText, ExternalNumber: r.ExternalNumber,
		DocumentDate: r.DocumentDate, Priority: cmpOr(r.Priority, NormalPriority), Confidentiality: cmpOr(r.Confidentiality, typ.DefaultConfidentiality),
		RelatedID: r.RelatedID, Tags: cleanTags(r.Tags), Notes: r.Notes, OpenedAt: at, CreatedAt: at, DueSource: DueNone,
	}
	doc.PriorityRank = PriorityRank(doc.Priority)
	f := OpenFile(by, at, ids, doc, nil, nil)
	f.isNew, f.before = true, Document{}
	f.grant(string(desk))
	return f
}

// accept makes a document REGISTERED: by whom, when, and until when it has to be answered. It gets its number when it is stored.
func (f *File) accept(dueOn Date, reason Text) error {
	d := f.Doc
	d.TermDays = int(f.cat.Type(d.TypeID).DefaultTermBusinessDays)
	if err := f.setDue(dueOn); err != nil {
		return err
	}
	d.State, d.RegisteredAt, d.RegisteredByID, d.ListedAt, d.OpenedAt = Registered, f.at, f.by.UserID, f.at, f.at
	f.event(DocumentRegistered, nil, "Registrado en "+f.cat.AreaName(d.DeskAreaID), d.DeskAreaID).Reason = reason
	return nil
}

// cleanTags sorts tags and keeps each once; never nil.
func cleanTags(tags []string) []string {
	if clean := slices.Compact(slices.Sorted(slices.Values(tags))); clean != nil {
		return clean
	}
	return []string{}
}

func cmpOr[T ~string](v, fallback T) T {
	if v == "" {
		return fallback
	}
	return v
}

// setDue sets the due date: the wished one if any, else by the term, else none.
func (f *File) setDue(wish Date) error {
	d := f.Doc
	switch {
	case !wish.IsZero():
		due, err := f.cat.Calendar.ManualDueOn(wish, f.today(), d.FiledOn)
		if err != nil {
			return err
		}
		d.DueSource, d.ManualDueOn = DueManual, due
	case d.TermDays > 0:
		d.DueSource, d.ManualDueOn = DueByType, 0
	default:
		d.DueSource, d.ManualDueOn = DueNone, 0
	}
	d.DueOn = f.cat.Calendar.DueOn(d.Deadline())
	return nil
}
