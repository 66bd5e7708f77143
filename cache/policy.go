package cache

import "time"

// Tier is how long a kind of answer stays good by itself. Whatever happens to what it was made from ends it before.
type Tier string

// The tiers, see Lifetimes.
const (
	Hot  Tier = "HOT"
	Warm Tier = "WARM"
	Cold Tier = "COLD"
)

// Lifetime is what a tier means.
type Lifetime struct {
	Tier Tier
	Soft time.Duration // from this age on whoever asks has it made anew in the background
	Hard time.Duration // at this age it is gone
	For  string        // what it is meant for
}

// Lifetimes is the table of tiers.
var Lifetimes = []Lifetime{
	{Hot, time.Minute, 5 * time.Minute, "what changes all day: lists, trays, figures"},
	{Warm, 5 * time.Minute, 30 * time.Minute, "one document, who is asking, who works in an area"},
	{Cold, 30 * time.Minute, time.Hour, "the catalogue and the calendar"},
}

// longest is the age that nothing here outlives.
const longest = time.Hour

func lifetime(t Tier) Lifetime {
	for _, row := range Lifetimes {
		if row.Tier == t {
			return row
		}
	}
	return Lifetime{} // nothing is kept under a tier that does not exist
}

// Scope is for whom an answer is the same.
type Scope string

// The scopes, from the widest to the narrowest.
const (
	Public Scope = "PUBLIC" // everybody who may ask
	Shared Scope = "SCOPE"  // everybody with the same rights
	Viewer Scope = "VIEWER" // one user
)

// Bounds of what is kept.
const (
	maxValue     = 1 << 20 // bytes of one value; larger ones are not kept
	maxTags      = 2000    // of one entry; an answer made from more is not kept
	compressFrom = 1 << 10 // bytes; smaller values are sent to Redis as they are
)
