package demo

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/auth"
	"github.com/mesapartes/mesa/mesa"
)

// Options tune Create; the zero value is sensible.
type Options struct {
	Seed      uint64 // the same seed and clock make the same institution, passwords left out
	Documents int    // default 2000; negative for none
}

// Credential is an account of the demo that one can sign in to.
type Credential struct {
	Role     mesa.RoleCode `json:"role"`
	Email    string        `json:"email"`
	Password string        `json:"password"`
}

const (
	demoDocuments = 2000
	demoLegs      = 2.6
	demoMonths    = 18
)

// Create makes the demo institution with its history up to now, in one transaction. When there is an institution already it changes
// nothing and returns false. The credentials, one for each key user, are not stored anywhere else.
func Create(ctx context.Context, database *db.DB, o Options) (creds []Credential, created bool, err error) {
	if exists, err := database.HasInstitution(ctx); err != nil || exists {
		return nil, false, err
	}
	now := database.Now()
	ids := &mesa.IDs{Entropy: newEntropy(o.Seed, 0)}
	setup := Institution(o.Seed, now, ids)
	hashed := make(chan []Credential, 1)
	go func() { hashed <- setPasswords(setup) }() // beside the history, which does not look at passwords
	bulk, cat, err := makeHistory(setup, now, o)
	creds = <-hashed
	if err != nil {
		return nil, false, err
	}
	bulk.Setup = setup
	e := mesa.NewEvent(ids, mesa.System(cat, "mesa"), now, mesa.DemoCreated)
	e.Text = fmt.Sprintf("Institución de demostración creada con %d expedientes", len(bulk.Documents))
	bulk.Events = append(bulk.Events, e)
	err = database.BulkInsert(ctx, cat, bulk)
	if errors.Is(err, db.ErrInstitutionExists) { // another process was faster
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return creds, true, nil
}

// makeHistory makes the documents of the demo.
func makeHistory(setup *db.Setup, now time.Time, o Options) (db.Bulk, *mesa.Catalogue, error) {
	cat, n := catalogueOf(setup), o.Documents
	if n == 0 {
		n = demoDocuments
	}
	w, err := newWorld(cat, actorsOf(setup, cat))
	if err != nil {
		return db.Bulk{}, nil, err
	}
	h := newHistory(w, now, demoLegs, o.Seed, 2)
	arrivals := newArrivals(cat.Calendar, now, demoMonths)
	for i := range n {
		if err := h.add(arrivals.at(i, n, h.rnd)); err != nil {
			return db.Bulk{}, nil, err
		}
	}
	sortEvents(h.out.Events)
	return h.out, cat, nil
}

// sortEvents brings the events of many documents into the order in which they happened.
func sortEvents(events []*mesa.Event) {
	slices.SortStableFunc(events, func(a, b *mesa.Event) int { return a.At.Compare(b.At) })
}

// setPasswords gives the key users random passwords and everybody else a hash that no password fits.
func setPasswords(s *db.Setup) []Credential {
	role := map[mesa.UserID]mesa.RoleCode{}
	for _, r := range s.Roles {
		role[r.UserID] = r.Role
	}
	creds := make([]Credential, len(keyUsers))
	var all sync.WaitGroup
	for _, u := range s.Users {
		local, _, _ := strings.Cut(u.Email, "@")
		i := slices.Index(keyUsers, local)
		if i < 0 {
			continue
		}
		creds[i] = Credential{Role: role[u.ID], Email: u.Email, Password: newPassword()}
		all.Go(func() { u.PasswordHash = auth.Hash(creds[i].Password) })
	}
	all.Wait()
	shape := ""
	for _, u := range s.Users {
		if u.PasswordHash != "" {
			shape = u.PasswordHash
		}
	}
	for _, u := range s.Users {
		if u.PasswordHash == "" {
			u.PasswordHash = unusable(shape)
		}
	}
	return creds
}

// unusable is a hash of the same form with random salt and key: nobody can know its password.
func unusable(like string) string {
	parts := strings.Split(like, "$")
	for i := len(parts) - 2; i < len(parts); i++ {
		raw := make([]byte, base64.RawStdEncoding.DecodedLen(len(parts[i])))
		rand.Read(raw)
		parts[i] = base64.RawStdEncoding.EncodeToString(raw)
	}
	return strings.Join(parts, "$")
}

// newPassword is five groups that can be read aloud, 61 bits: "tuma-lore-kiva-pono-sita".
func newPassword() string {
	const consonants, vowels = "bdfgklmnprstvz", "aeiou"
	var b strings.Builder
	for i := range 10 {
		if i > 0 && i%2 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(consonants[below(len(consonants))])
		b.WriteByte(vowels[below(len(vowels))])
	}
	return b.String()
}

// below draws a number below n, none more likely than another.
func below(n int) int {
	for limit := 256 / n * n; ; {
		var b [1]byte
		rand.Read(b[:])
		if int(b[0]) < limit {
			return int(b[0]) % n
		}
	}
}
