package main

import (
	"math/rand/v2"
	"strings"

	"github.com/mesapartes/mesa/mesa"
)

// The load is work at the demo institution, played as fast as the machine can: sessions one after the other, several at a time, each what
// a single-page application asks for one person. The list of them comes from a seed and is the same each time.
//
// Three sessions in ten are of the two desks, nine in twenty of people in the areas, three in twenty of heads, one in ten of the auditor
// or the adviser, who only read. A session begins with who one is, the catalogue and the tray of one's area. Then the page asks again and
// again what is in the tray, or only how much, and in between the person does things.
//
// What there is most of is a piece of work, since it is one of the writes, which are a tenth of all requests: open a document of the
// tray, act, look at what became of it, go back to the tray. A page that asks every half minute asks three or four times while a busy
// person does that in two minutes. That leaves two reads in ten for the rest: a document looked at, a list by area and state with perhaps a
// document of it opened, the dashboard, the page loaded anew, another tray.
//
// Which document is opened follows Zipf's law: mostly what is on top of the list. Each request goes to any of the nodes, as behind a
// balancer without memory.
const (
	loadSeed      = 20261120
	loadSessions  = 100
	loadSteps     = 36 // things done in a session, some 60 requests
	loadDocuments = 3000
)

// group is a kind of people.
type group int

const (
	nobody group = iota
	desks
	staff
	heads
	readers
)

// groups are how many sessions in a hundred are of which group.
var groups = []weighted[group]{{desks, 30}, {staff, 45}, {heads, 15}, {readers, 10}}

// groupOf tells by the e-mail, which says what people are in the demo institution.
func groupOf(email string) group {
	local, _, _ := strings.Cut(email, "@")
	switch {
	case local == "auditor" || local == "consulta":
		return readers
	case local == "admin" || strings.HasPrefix(local, "archivo"):
		return nobody
	case strings.Contains(local, "mesa"):
		return desks
	case strings.HasPrefix(local, "jefe."):
		return heads
	}
	return staff
}

// step is one of the things that happen in a session.
type step int

const (
	toPoll    step = iota // the page asks again
	toWork                // a document is moved on: four requests, one of them the write
	toLook                // at a document of the tray, and back
	toList                // documents by area and state
	toMeasure             // figures on the dashboard
	toReload              // the page
	toTurn                // to another tray
)

// steps are the weights of what happens. Those who only read look at a document where others work.
var steps = []weighted[step]{{toPoll, 80}, {toWork, 25}, {toLook, 8}, {toList, 8}, {toMeasure, 4}, {toReload, 2}, {toTurn, 2}}

// visit is one session as it is to be played.
type visit struct {
	email string
	group group
	steps []step
	seed  uint64 // of what it picks
}

// script is the list of sessions for the people of an institution.
func script(people []*mesa.User) (visits []visit) {
	rnd := rand.New(rand.NewPCG(loadSeed, 1))
	byGroup := map[group][]string{}
	for _, u := range people {
		g := groupOf(u.Email)
		byGroup[g] = append(byGroup[g], u.Email)
	}
	for range loadSessions {
		v := visit{group: draw(rnd, groups), seed: rnd.Uint64()}
		v.email = byGroup[v.group][rnd.IntN(len(byGroup[v.group]))]
		for range loadSteps {
			s := draw(rnd, steps)
			if s == toWork && v.group == readers {
				s = toLook
			}
			v.steps = append(v.steps, s)
		}
		visits = append(visits, v)
	}
	return visits
}

// weighted is one of several things that happen more or less often.
type weighted[T any] struct {
	what   T
	weight int
}

func draw[T any](rnd *rand.Rand, from []weighted[T]) T {
	total := 0
	for _, w := range from {
		total += w.weight
	}
	n := rnd.IntN(total)
	for _, w := range from {
		if n -= w.weight; n < 0 {
			return w.what
		}
	}
	return from[0].what
}
