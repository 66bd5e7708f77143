package mesa

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// Tag names something that an answer is made from. Once it has moved, an answer made before may no longer be true.
type Tag string

// Tags that stand for many things at once.
const (
	Everything   Tag = "*"         // whatever there is
	AnyDocument  Tag = "documents" // any document, leg or stay in the archive
	TheCatalogue Tag = "catalogue" // areas, types, people, their roles, the calendar
)

// DocumentTag is one document with all that hangs on it.
func DocumentTag(id DocumentID) Tag { return Tag(id) }

// ParticipantTag is all documents that an area or a user (their id) takes part in.
func ParticipantTag(grantee string) Tag { return Tag("in:" + grantee) }

// GrantsTag is which documents were given to a user in person.
func GrantsTag(user UserID) Tag { return Tag("given:" + user) }

// WatchesTag is which documents a user follows.
func WatchesTag(user UserID) Tag { return Tag("watched:" + user) }

// AccountTag is whether an account may act.
func AccountTag(user UserID) Tag { return Tag("account:" + user) }

// SessionTag is whether a session holds.
func SessionTag(id SessionID) Tag { return Tag("session:" + id) }

// Kind is what a tag stands for, for figures: documents, in, given, …; a document's own tag is of kind "document".
func (t Tag) Kind() string {
	if kind, _, found := strings.Cut(string(t), ":"); found {
		return kind
	}
	if KindOf(string(t)) == DocumentNode {
		return "document"
	}
	return string(t)
}

// Moves lists the tags that an event moves. Those of the areas and users that take part in its document are not among them: the event
// does not know them.
func (e *Event) Moves() []Tag {
	switch e.Type {
	case WatchStarted, WatchEnded:
		return []Tag{WatchesTag(UserID(e.ActorID))}
	case SignedOut, SessionRenewed, RefreshTokenReused:
		return []Tag{SessionTag(SessionID(e.ObjectID))}
	case SignedIn:
		return []Tag{AccountTag(UserID(e.ActorID))} // it tells when it was used last
	case PasswordSet, PasswordChanged, SignedOutOfAll:
		return []Tag{AccountTag(UserID(e.ObjectID))}
	case UserCreated, UserUpdated, UserDeactivated, UserActivated, RoleGranted, RoleRevoked, PermissionGranted, PermissionDenied, PermissionCleared,
		AreaCreated, AreaUpdated, AreaDeactivated, AreaReactivated:
		return []Tag{TheCatalogue}
	case DemoCreated, DataSeeded, SystemRestored, CacheCleared:
		return []Tag{Everything}
	}
	if e.DocumentID == "" || !e.Type.IsShown() {
		return nil
	}
	tags := []Tag{DocumentTag(e.DocumentID), AnyDocument}
	if e.Type == DocumentRegistered && e.ActorKind == ActorUser {
		tags = append(tags, WatchesTag(UserID(e.ActorID))) // whoever registers follows
	}
	return tags
}

// IsShown says whether events of a type are for more eyes than the auditor's: what happens to documents and their legs,
// and to documents on their way to other institutions.
func (t EventType) IsShown() bool {
	return strings.HasPrefix(string(t), "document.") || strings.HasPrefix(string(t), "derivation.") || strings.HasPrefix(string(t), "exchange.")
}

// Reach says for whom an answer is the same.
type Reach int

// From the widest to the narrowest.
const (
	ForAll     Reach = iota // everybody
	ForScope                // everybody with the same rights
	ForOneself              // one user
	ForNobody               // it is made anew each time
)

// Footprint collects what an answer is made from, while it is made. It may be used from several goroutines.
type Footprint struct {
	mu    sync.Mutex
	tags  map[Tag]bool
	reach Reach
}

type footprintKey struct{}

// WithFootprint makes ctx carry a new footprint.
func WithFootprint(ctx context.Context) (context.Context, *Footprint) {
	f := &Footprint{tags: map[Tag]bool{}}
	return context.WithValue(ctx, footprintKey{}, f), f
}

// Saw notes that an answer is made from what the actor may see of these tags. It does nothing when nobody collects.
func Saw(ctx context.Context, tags ...Tag) { SawWithin(ctx, ForScope, tags) }

// SawOneself notes that an answer depends on who the actor is.
func SawOneself(ctx context.Context, tags ...Tag) { SawWithin(ctx, ForOneself, tags) }

// SawWithin notes that an answer is made from another that had this footprint.
func SawWithin(ctx context.Context, reach Reach, tags []Tag) {
	f, ok := ctx.Value(footprintKey{}).(*Footprint)
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reach = max(f.reach, reach)
	for _, t := range tags {
		f.tags[t] = true
	}
}

// Tags lists what was seen, sorted.
func (f *Footprint) Tags() []Tag {
	f.mu.Lock()
	defer f.mu.Unlock()
	tags := make([]Tag, 0, len(f.tags))
	for t := range f.tags {
		tags = append(tags, t)
	}
	slices.Sort(tags)
	return tags
}

// Reach says how widely what was seen may be shared.
func (f *Footprint) Reach() Reach {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reach
}
