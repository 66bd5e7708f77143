package demo

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Base is what every institution begins with: the catalogue and one desk, but no people. Name, short name and RUC are placeholders.
func Base(now time.Time, ids *mesa.IDs) *db.Setup {
	s := &db.Setup{
		Institution: &mesa.Institution{
			ID: 1, Name: "Institución sin nombre", ShortName: "INSTITUCIÓN", RUC: "20000000001", TimeZone: "America/Lima", Locale: "es-PE",
			FilingPolicy: mesa.SameDay24h, OfficeCutoff: 16*60 + 30, DefaultTermBusinessDays: 30, MaxBackdateBusinessDays: 3,
		},
		Areas: []*mesa.Area{{ID: ids.Area(now), Code: deskCode, Name: "Mesa de Partes", IsDesk: true, IsActive: true}},
	}
	addCatalogue(s, now, ids)
	s.Registries = []*mesa.Registry{{
		ID: ids.Registry(now), Code: "EXP", Name: "Registro general de expedientes", Pattern: mesa.DefaultPattern, IsYearly: true, IsDefault: true,
	}}
	return s
}

// CreateBase stores Base unless there is an institution already.
func CreateBase(ctx context.Context, database *db.DB) (created bool, err error) {
	s := Base(database.Now(), &mesa.IDs{})
	err = database.BulkInsert(ctx, catalogueOf(s), db.Bulk{Setup: s})
	if errors.Is(err, db.ErrInstitutionExists) {
		return false, nil
	}
	return err == nil, err
}

// deskCode is the code of the main desk.
const deskCode = "MP"

// scheduleFrom is before every document.
var scheduleFrom = mesa.NewDate(2000, time.January, 1)

// addCatalogue adds types with their categories, purposes, retention policies and the opening hours.
func addCatalogue(s *db.Setup, now time.Time, ids *mesa.IDs) {
	for _, t := range types {
		typ := t.DocumentType
		typ.ID, typ.IsActive = ids.DocumentType(now), true
		if typ.DefaultConfidentiality == "" {
			typ.DefaultConfidentiality = mesa.Public
		}
		s.Types = append(s.Types, &typ)
		for _, c := range t.categories {
			s.Categories = append(s.Categories, &mesa.Category{ID: ids.Category(now), TypeID: typ.ID, Code: c.code, Name: c.name, IsActive: true})
		}
	}
	for i, p := range purposes {
		p.Position = i + 1
		s.Purposes = append(s.Purposes, &p)
	}
	for _, p := range policies {
		s.Policies = append(s.Policies, &p)
	}
	schedule := mesa.DefaultSchedule()
	schedule.ValidFrom = scheduleFrom
	s.Schedules = []*mesa.WorkSchedule{&schedule}
}

// purposes are what every institution begins with.
var purposes = []mesa.Purpose{
	{Code: "ATENCION", Label: "Para atención y trámite", KindDefault: mesa.ForAction},
	{Code: "INFORME", Label: "Para informe", KindDefault: mesa.ForAction, DefaultTermBusinessDays: 7},
	{Code: "OPINION", Label: "Para opinión", KindDefault: mesa.ForAction, DefaultTermBusinessDays: 7},
	{Code: "RESPUESTA", Label: "Preparar respuesta", KindDefault: mesa.ForAction},
	{Code: "TRAMITE", Label: "Acto de mero trámite", KindDefault: mesa.ForAction, DefaultTermBusinessDays: 3},
	{Code: "VISTO", Label: "Visto bueno", KindDefault: mesa.ForAction, DefaultTermBusinessDays: 3},
	{Code: "CONOCIMIENTO", Label: "Para conocimiento", KindDefault: mesa.ForCopy},
	{Code: "ARCHIVO", Label: "Para archivo", KindDefault: mesa.ForAction},
}

var policies = []mesa.RetentionPolicy{
	{Code: "PERMANENT", Name: "Conservación permanente"},
	{Code: "Y10", Name: "Diez años", Years: 10},
	{Code: "Y5", Name: "Cinco años", Years: 5},
	{Code: "Y3", Name: "Tres años", Years: 3},
	{Code: "Y1", Name: "Un año", Years: 1},
}

// catalogueOf is the catalogue that a setup becomes when it is stored.
func catalogueOf(s *db.Setup) *mesa.Catalogue {
	zone, err := time.LoadLocation(s.Institution.TimeZone)
	if err != nil {
		panic("demo: " + err.Error()) // the zone is a constant of this package
	}
	schedules := make([]mesa.WorkSchedule, len(s.Schedules))
	for i, row := range s.Schedules {
		schedules[i] = *row
	}
	cat := &mesa.Catalogue{
		Version: 1, Institution: s.Institution, Calendar: mesa.NewCalendar(zone, schedules, nil, nil), Areas: s.Areas, Types: s.Types,
		Categories: s.Categories, Purposes: s.Purposes, Registries: s.Registries, Policies: s.Policies, Users: s.Users,
	}
	return cat.Index()
}

// entropy makes a data set repeatable: the same seeds, the same bytes.
type entropy struct{ source *rand.PCG }

func newEntropy(seed1, seed2 uint64) entropy { return entropy{rand.NewPCG(seed1, seed2)} }

// Read fills p; it never fails.
func (e entropy) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		word := e.source.Uint64()
		for j := i; j < min(i+8, len(p)); j++ {
			p[j] = byte(word)
			word >>= 8
		}
	}
	return len(p), nil
}
