package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// UserFilter says which accounts are wanted; all conditions hold together.
type UserFilter struct {
	Text     string
	IsActive *bool
	AreaID   mesa.AreaID // where the person works now
	Role     mesa.RoleCode
}

var userOrder = keyset{name: "users", keys: []key{{"name", textKey}, {"id", textKey}}}

// Users lists accounts by name. They are in memory; who works where and has which role is asked of the database. The caller has
// checked that the actor may look at them.
func (v *View) Users(ctx context.Context, f UserFilter, p Page) (none Slice[*mesa.User], err error) {
	n, _, err := p.size()
	if err != nil {
		return none, err
	}
	after, err := userPlace(p.After)
	if err != nil {
		return none, err
	}
	among, err := v.usersOf(ctx, f)
	if err != nil {
		return none, err
	}
	found := []userPlaceOf{}
	wanted := searchTerms(f.Text)
	for _, u := range v.cat.Users {
		if (f.IsActive == nil || *f.IsActive == u.IsActive) && (among == nil || among[u.ID]) && u.ID != "" && matches(u, wanted) {
			found = append(found, userPlaceOf{searchText(u.FullName), u})
		}
	}
	slices.SortFunc(found, func(a, b userPlaceOf) int { return a.compare(b.name, b.user.ID) })
	total := len(found)
	found = slices.DeleteFunc(found, func(u userPlaceOf) bool { return p.After != "" && u.compare(after.name, after.user.ID) <= 0 })
	rows := make([]*mesa.User, min(len(found), n+1))
	for i := range rows {
		rows[i] = found[i].user
	}
	s := slice(rows, p)
	s.Total, s.Cursor = total, func(u *mesa.User) string { return userOrder.cursor(searchText(u.FullName), u.ID) }
	return s, nil
}

// userPlaceOf is where an account stands in the list.
type userPlaceOf struct {
	name string
	user *mesa.User
}

func (u userPlaceOf) compare(name string, id mesa.UserID) int {
	return cmp.Or(strings.Compare(u.name, name), strings.Compare(string(u.user.ID), string(id)))
}

// userPlace reads a cursor; "" is no place.
func userPlace(cursor string) (at userPlaceOf, err error) {
	if cursor == "" {
		return at, nil
	}
	place, err := userOrder.place(cursor, "after")
	if err != nil {
		return at, err
	}
	return userPlaceOf{place[0].(string), &mesa.User{ID: mesa.UserID(place[1].(string))}}, nil
}

// matches says whether each word wanted begins or is one of the account's.
func matches(u *mesa.User, wanted []term) bool {
	if len(wanted) == 0 {
		return true
	}
	words := searchTerms(u.FullName + " " + u.Email + " " + string(u.JobTitle))
	for _, w := range wanted {
		if !slices.ContainsFunc(words, func(t term) bool { return t.word == w.word || w.isPrefix && strings.HasPrefix(t.word, w.word) }) {
			return false
		}
	}
	return true
}

// usersOf are the accounts that work in the filter's area and have its role now; nil when it asks for neither.
func (v *View) usersOf(ctx context.Context, f UserFilter) (map[mesa.UserID]bool, error) {
	if f.AreaID == "" && f.Role == "" {
		return nil, nil
	}
	var ids []mesa.UserID
	q := v.idb.NewSelect().Model((*mesa.User)(nil)).Column("id")
	if f.AreaID != "" {
		q.Where("EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = ?TableAlias.id AND m.area_id = ? AND m.from_on <= ? AND (m.until_on IS NULL OR m.until_on >= ?))", f.AreaID, v.today, v.today)
	}
	if f.Role != "" {
		q.Where("EXISTS (SELECT 1 FROM role_assignments AS r WHERE r.user_id = ?TableAlias.id AND r.role = ? AND (r.until_on IS NULL OR r.until_on >= ?))", f.Role, v.today)
	}
	if err := q.Scan(ctx, &ids); err != nil {
		return nil, fmt.Errorf("find users: %w", err)
	}
	among := make(map[mesa.UserID]bool, len(ids))
	for _, id := range ids {
		among[id] = true
	}
	return among, nil
}

// AccountsByUser finds what only administrators see of users; every key that is a user is there.
func (v *View) AccountsByUser(ctx context.Context, ids []mesa.UserID) (map[mesa.UserID]*mesa.Account, error) {
	tags := []mesa.Tag{mesa.TheCatalogue}
	for _, id := range ids {
		tags = append(tags, mesa.AccountTag(id))
	}
	mesa.Saw(ctx, tags...)
	var (
		users       []*mesa.User
		memberships []*mesa.Membership
		roles       []*mesa.RoleAssignment
		overrides   []*mesa.PermissionOverride
	)
	for _, list := range []struct {
		into         any
		of, then, by string
	}{
		{&users, "id", "", "id"}, {&memberships, "user_id", "is_primary DESC", "area_id"}, {&roles, "user_id", "role", "area_id"}, {&overrides, "user_id", "permission", "area_id"},
	} {
		q := v.idb.NewSelect().Model(list.into).Where("? IN (?)", bun.Ident(list.of), bun.List(ids)).Order(list.of)
		if list.then != "" {
			q.OrderExpr(list.then)
		}
		if err := q.Order(list.by).Scan(ctx); err != nil {
			return nil, fmt.Errorf("read accounts: %w", err)
		}
	}
	areas := grouped(ids, memberships, func(m *mesa.Membership) mesa.UserID { return m.UserID })
	held := grouped(ids, roles, func(r *mesa.RoleAssignment) mesa.UserID { return r.UserID })
	exceptions := grouped(ids, overrides, func(o *mesa.PermissionOverride) mesa.UserID { return o.UserID })
	found := make(map[mesa.UserID]*mesa.Account, len(users))
	for _, u := range users {
		found[u.ID] = &mesa.Account{
			UserID: u.ID, LastSignInAt: u.LastSignInAt, MustChangePassword: u.MustChangePassword, Memberships: areas[u.ID], Roles: held[u.ID], Overrides: exceptions[u.ID],
		}
	}
	return found, nil
}

// maxAssigned is how many legs AssignedTo lists at most.
const maxAssigned = 200

// AssignedTo lists the open legs that are assigned to an account, as far as the view goes, the oldest first.
func (v *View) AssignedTo(ctx context.Context, id mesa.UserID) ([]*mesa.Derivation, error) {
	legs := []*mesa.Derivation{}
	q := v.idb.NewSelect().Model(&legs).Join("JOIN documents AS document ON document.id = derivation.document_id").
		Where("derivation.assignee_id = ? AND derivation.state IN (?)", id, bun.List([]mesa.DerivationState{mesa.LegPending, mesa.LegReceived})).
		Order("derivation.id").Limit(maxAssigned)
	if err := v.visible(q).Scan(ctx); err != nil {
		return nil, fmt.Errorf("read assigned work: %w", err)
	}
	return legs, nil
}
