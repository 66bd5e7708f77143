package desk_test

import (
	"sync"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/mesa"
)

// token opens a session without a password.
func (c *counter) token(local string) string {
	c.Helper()
	in, err := c.desk.OpenSession(c.ctx, local+"@demo.mesa.pe")
	c.ok(err)
	return in.Token
}

func (c *counter) signedOut(token string) {
	c.Helper()
	_, err := c.db.Actor(c.ctx, token)
	c.fails(err, mesa.Unauthenticated)
}

func TestSignInAndItsLock(t *testing.T) {
	onEach(t, func(c *counter) {
		const email, right = "mesa1@demo.mesa.pe", "una clave muy larga"
		system := mesa.System(c.cat, "test")
		c.ok(c.desk.SetPassword(c.ctx, system, email, right, false))
		c.fails(c.desk.SetPassword(c.ctx, system, email, "corta", false), mesa.ValidationFailed)
		c.fails(c.desk.SetPassword(c.ctx, system, "nadie@demo.mesa.pe", right, false), mesa.NotFound)
		signIn := func(password string) (*desk.SignedIn, error) {
			return c.desk.SignIn(c.ctx, mesa.Origin{}, desk.SignInInput{Email: " Mesa1@demo.mesa.pe ", Password: password})
		}
		for range 4 {
			_, err := signIn("equivocada")
			c.fails(err, mesa.Unauthenticated)
		}
		in, err := signIn(right) // a success forgets the failures
		c.ok(err)
		if by, err := c.db.Actor(c.ctx, in.Token); err != nil || by.UserID != c.user("mesa1") || !by.ExpiresAt.Equal(in.ExpiresAt) {
			c.Errorf("the token is of %v until %v, %v", by, in.ExpiresAt, err)
		}
		for range 5 {
			c.clock.advance(time.Minute)
			_, err := signIn("equivocada")
			c.fails(err, mesa.Unauthenticated)
		}
		_, err = signIn(right)
		if e := c.fails(err, mesa.RateLimited); e.Details["retryAfter"] == nil {
			c.Error("nobody says how long to wait")
		}
		if failed, locked := len(c.events(mesa.SignInFailed)), len(c.events(mesa.AccountLocked)); failed != 9 || locked != 1 {
			c.Errorf("%d failures and %d locks recorded", failed, locked)
		}
		c.clock.advance(14 * time.Minute) // from the fifth failure on
		_, err = signIn(right)
		c.fails(err, mesa.RateLimited)
		c.clock.advance(2 * time.Minute)
		_, err = signIn(right)
		c.ok(err)
	})
}

// The lock lasts as long as it does however far apart the failures are, and says what is left of it.
func TestALockLastsFromTheFifthFailure(t *testing.T) {
	onEach(t, func(c *counter) {
		const email, right = "mesa1@demo.mesa.pe", "una clave muy larga"
		c.ok(c.desk.SetPassword(c.ctx, mesa.System(c.cat, "test"), email, right, false))
		fail := func(n int) {
			c.Helper()
			for range n {
				_, err := c.desk.SignIn(c.ctx, mesa.Origin{}, desk.SignInInput{Email: email, Password: "equivocada"})
				c.fails(err, mesa.Unauthenticated)
			}
		}
		left := func(least, most int) {
			c.Helper()
			_, err := c.desk.SignIn(c.ctx, mesa.Origin{}, desk.SignInInput{Email: email, Password: right})
			if wait, ok := c.fails(err, mesa.RateLimited).Details["retryAfter"].(int); !ok || wait < least || wait > most {
				c.Errorf("%v seconds left, want %d to %d", wait, least, most)
			}
		}
		fail(1)
		c.clock.advance(14*time.Minute + 40*time.Second)
		fail(4)
		left(895, 900)
		c.clock.advance(25 * time.Second) // the first failure is a quarter of an hour old
		left(870, 875)
		c.clock.advance(14 * time.Minute)
		left(30, 35)
		c.clock.advance(35 * time.Second)
		fail(4) // those that locked it count no more
		_, err := c.desk.SignIn(c.ctx, mesa.Origin{}, desk.SignInInput{Email: email, Password: right})
		c.ok(err)
		if locked := len(c.events(mesa.AccountLocked)); locked != 1 {
			c.Errorf("%d locks recorded", locked)
		}
	})
}

func TestAnUnknownAccountLooksLikeAWrongPassword(t *testing.T) {
	onEach(t, func(c *counter) {
		_, err := c.desk.SignIn(c.ctx, mesa.Origin{RequestID: "req-1", Address: "192.0.2.7"}, desk.SignInInput{Email: "nadie@demo.mesa.pe", Password: "una clave muy larga"})
		e := c.fails(err, mesa.Unauthenticated)
		if e.In("en") != "The e-mail or the password is wrong." || e.Field != "" {
			c.Errorf("told %q about %q", e.In("en"), e.Field)
		}
		failed := c.events(mesa.SignInFailed)
		if len(failed) != 1 || failed[0].ActorKind != mesa.ActorPublic || failed[0].ObjectID != "" || failed[0].RequestID != "req-1" || failed[0].Address != "192.0.2.7" || failed[0].Text != "n…@demo.mesa.pe" {
			c.Errorf("recorded %+v", failed)
		}
	})
}

func TestTokensEnd(t *testing.T) {
	onEach(t, func(c *counter) {
		c.signedOut("")
		c.signedOut("mesa_invented")
		one, two, three := c.token("mesa1"), c.token("mesa1"), c.token("oaj1")
		by, err := c.db.Actor(c.ctx, one)
		c.ok(err)
		c.ok(c.desk.SignOut(c.ctx, by))
		c.signedOut(one) // at once
		if _, err := c.db.Actor(c.ctx, two); err != nil {
			c.Errorf("the other session ended too: %v", err)
		}
		c.ok(c.desk.SetPassword(c.ctx, mesa.System(c.cat, "test"), "mesa1@demo.mesa.pe", "una clave muy larga", false))
		c.signedOut(two) // a new password ends all sessions
		c.clock.advance(59 * time.Minute)
		if _, err := c.db.Actor(c.ctx, three); err != nil {
			c.Errorf("after 59 minutes: %v", err)
		}
		c.clock.advance(time.Minute)
		c.signedOut(three)
		four := c.token("oaj1")
		c.change("UPDATE users SET is_active = ? WHERE id = ?", false, c.user("oaj1"))
		c.signedOut(four)
		_, err = c.desk.OpenSession(c.ctx, "oaj1@demo.mesa.pe")
		c.fails(err, mesa.NotFound)
		var stored int
		c.ok(c.db.InTx(c.ctx, func(tx *db.Tx) error {
			return tx.NewRaw("SELECT count(*) FROM sessions WHERE token_hash = ?", db.TokenHash(four)).Scan(c.ctx, &stored)
		}))
		if stored != 1 {
			c.Error("the hash of a token is not what is stored")
		}
	})
}

// Roles and memberships are read with each request.
func TestChangesOfRightsBiteOnTheNextRequest(t *testing.T) {
	onEach(t, func(c *counter) {
		token, id := c.token("mesa1"), c.user("mesa1")
		actor := func() *mesa.Actor {
			c.Helper()
			by, err := c.db.Actor(c.ctx, token)
			c.ok(err)
			return by
		}
		desk, branch := c.area("MP"), c.area("MPS")
		if by := actor(); !by.May(mesa.MayRegister, desk) || by.May(mesa.MayVoid, desk) || by.May(mesa.MayRegister, branch) {
			c.Fatal("a clerk registers at the own desk and voids nothing")
		}
		c.change("UPDATE role_assignments SET role = 'DESK_HEAD' WHERE user_id = ?", id)
		if !actor().May(mesa.MayVoid, desk) {
			c.Error("the new role does not bite")
		}
		c.change("UPDATE memberships SET area_id = ? WHERE user_id = ?", branch, id)
		if by := actor(); !by.May(mesa.MayRegister, branch) || by.May(mesa.MayRegister, desk) {
			c.Error("the new area does not bite")
		}
		c.change("UPDATE memberships SET until_on = '2026-03-17' WHERE user_id = ?", id) // yesterday
		if by := actor(); by.May(mesa.MayRegister, branch) || len(by.Areas) != 0 {
			c.Error("a membership that has ended still gives rights")
		}
		c.change("UPDATE memberships SET until_on = '2026-03-18' WHERE user_id = ?", id) // the last day counts
		if !actor().May(mesa.MayRegister, branch) {
			c.Error("a membership gives no rights on its last day")
		}
		c.change("UPDATE role_assignments SET until_on = '2026-03-17' WHERE user_id = ?", id)
		if by := actor(); len(by.Roles) != 0 || by.MayAnywhere(mesa.MayRegister) {
			c.Error("a role that has ended still gives rights")
		}
	})
}

// What one process changes in the catalogue, another knows with its next request.
func TestTheCatalogueIsTheSameInTwoProcesses(t *testing.T) {
	onEach(t, func(c *counter) {
		other, token := c.handle(), c.token("mesa1")
		before, err := other.Actor(c.ctx, token)
		c.ok(err)
		c.ok(c.db.InTx(c.ctx, func(tx *db.Tx) error {
			if _, err := tx.NewRaw("UPDATE areas SET name = 'Logística y Almacén' WHERE code = 'LOG'").Exec(c.ctx); err != nil {
				return err
			}
			return tx.TouchCatalogue(c.ctx)
		}))
		after, err := other.Actor(c.ctx, token)
		c.ok(err)
		if got := after.Catalogue.AreaName(c.area("LOG")); got != "Logística y Almacén" || after.Catalogue.Version <= before.Catalogue.Version {
			c.Errorf("the other process calls it %q", got)
		}
		if got := before.Catalogue.AreaName(c.area("LOG")); got == "Logística y Almacén" {
			c.Error("a snapshot changed under the hands of its request")
		}
		again, err := other.Actor(c.ctx, token)
		c.ok(err)
		if again.Catalogue != after.Catalogue {
			c.Error("the same version was read twice")
		}
	})
}

func TestCreateUser(t *testing.T) {
	onEach(t, func(c *counter) {
		system := mesa.System(c.cat, "test")
		in := desk.CreateUserInput{
			Email: " Nueva@Muni.pe", FullName: "Nueva Persona", Roles: []desk.NewRoleInput{{Role: mesa.AreaUser}}, AreaIDs: []mesa.AreaID{c.area("LOG")}, Password: "una clave muy larga",
		}
		user, drawn, err := c.desk.CreateUser(c.ctx, system, in)
		c.ok(err)
		by, err := c.db.ActorOf(c.ctx, user.ID)
		c.ok(err)
		if user.Email != "nueva@muni.pe" || drawn != "" || user.MustChangePassword || !by.May(mesa.MayReceive, c.area("LOG")) || by.MayAnywhere(mesa.MayRegister) {
			c.Errorf("%s may %v", user.Email, by.Permissions())
		}
		_, _, err = c.desk.CreateUser(c.ctx, system, in)
		if e := c.fails(err, mesa.ValidationFailed); e.Field != "email" {
			c.Errorf("twice: field %q", e.Field)
		}
		_, _, err = c.desk.CreateUser(c.ctx, system, desk.CreateUserInput{
			Email: "x", Roles: []desk.NewRoleInput{{Role: "CHIEF", AreaID: "are_none", UntilOn: 1}}, AreaIDs: []mesa.AreaID{"are_none"}, Password: "corta",
		})
		if e := c.fails(err, mesa.ValidationFailed); len(e.Violations) != 7 {
			c.Errorf("%d violations", len(e.Violations))
		}
	})
}

// A refresh token works once. Whoever comes with one that was used has it from somebody, or somebody has it from them.
func TestSessionsAreRenewedAndTheftEndsThem(t *testing.T) {
	onEach(t, func(c *counter) {
		in, err := c.desk.OpenSession(c.ctx, "mesa1@demo.mesa.pe")
		c.ok(err)
		if opened := c.events(mesa.SignedIn); len(opened) == 0 || opened[len(opened)-1].Client != "mesa (command line)" || opened[len(opened)-1].Address != "" {
			c.Errorf("recorded %+v", opened)
		}
		first, elsewhere := in, c.token("mesa1")
		for range 3 {
			c.clock.advance(6 * 24 * time.Hour) // the token is long over, the session is not
			c.signedOut(in.Token)
			before := in.Token
			in, err = c.desk.Refresh(c.ctx, mesa.Origin{}, in.RefreshToken)
			c.ok(err)
			by, err := c.db.Actor(c.ctx, in.Token)
			c.ok(err)
			if by.SessionID != in.Actor.SessionID || by.UserID != c.user("mesa1") || !by.ExpiresAt.Equal(in.ExpiresAt) || in.RefreshExpiresAt.Sub(in.ExpiresAt) != 7*24*time.Hour-time.Hour {
				c.Errorf("renewed to %s of %s until %v", by.SessionID, by.UserID, by.ExpiresAt)
			}
			c.signedOut(before)
		}
		c.signedOut(in.RefreshToken) // it renews and nothing else
		early, err := c.desk.Refresh(c.ctx, mesa.Origin{}, in.RefreshToken)
		c.ok(err)
		c.signedOut(in.Token) // the old one ends although its hour is not over
		_, err = c.desk.Refresh(c.ctx, mesa.Origin{Address: "192.0.2.66"}, in.RefreshToken)
		c.fails(err, mesa.Unauthenticated)
		c.signedOut(early.Token)
		_, err = c.desk.Refresh(c.ctx, mesa.Origin{}, early.RefreshToken)
		c.fails(err, mesa.Unauthenticated)
		if reused := c.events(mesa.RefreshTokenReused); len(reused) != 1 || reused[0].ObjectID != string(in.Actor.SessionID) || reused[0].ActorID != string(c.user("mesa1")) || reused[0].Address != "192.0.2.66" {
			c.Errorf("recorded %+v", reused)
		}
		for _, never := range []string{"", "mesar_invented", elsewhere} {
			_, err = c.desk.Refresh(c.ctx, mesa.Origin{}, never)
			c.fails(err, mesa.Unauthenticated)
		}
		late, err := c.desk.OpenSession(c.ctx, "mesa1@demo.mesa.pe")
		c.ok(err)
		c.clock.advance(7 * 24 * time.Hour)
		_, err = c.desk.Refresh(c.ctx, mesa.Origin{}, late.RefreshToken)
		c.fails(err, mesa.Unauthenticated)
		c.clock.advance(time.Second)
		n, err := c.db.ForgetRefreshTokens(c.ctx, 100)
		c.ok(err)
		if n < 6 {
			c.Errorf("%d tokens forgotten", n)
		}
		_, err = c.desk.Refresh(c.ctx, mesa.Origin{}, first.RefreshToken)
		c.fails(err, mesa.Unauthenticated)
	})
}

// Of many who come with the same token at once, one renews the session, and the next one ends it.
func TestOneOfManyRefreshes(t *testing.T) {
	onEach(t, func(c *counter) {
		in, err := c.desk.OpenSession(c.ctx, "mesa1@demo.mesa.pe")
		c.ok(err)
		var renewed []*desk.SignedIn
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if next, err := c.desk.Refresh(c.ctx, mesa.Origin{}, in.RefreshToken); err == nil {
					mu.Lock()
					renewed = append(renewed, next)
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if n, reused := len(c.events(mesa.SessionRenewed)), len(c.events(mesa.RefreshTokenReused)); len(renewed) > 1 || n != 1 || reused != 1 {
			c.Errorf("%d came back with tokens; %d renewals and %d thefts recorded", len(renewed), n, reused)
		}
		for _, r := range renewed {
			c.signedOut(r.Token)
		}
	})
}

func TestPasswordsOfOnesOwn(t *testing.T) {
	onEach(t, func(c *counter) {
		const email, old = "mesa1@demo.mesa.pe", "una clave muy larga"
		system := mesa.System(c.cat, "test")
		c.ok(c.desk.SetPassword(c.ctx, system, email, old, true))
		here, err := c.desk.SignIn(c.ctx, mesa.Origin{}, desk.SignInInput{Email: email, Password: old})
		c.ok(err)
		there := c.token("mesa1")
		by, err := c.db.Actor(c.ctx, here.Token)
		c.ok(err)
		if !here.Actor.MustChangePassword || !by.MustChangePassword {
			c.Error("nobody asks for a password of one's own")
		}
		for _, wrong := range []struct{ current, next, field string }{
			{"equivocada", "kumbre-sol-tava-42", "currentPassword"}, {old, old, "newPassword"}, {old, "corta", "newPassword"}, {old, "Contraseña2026", "newPassword"},
		} {
			err := c.desk.ChangePassword(c.ctx, by, desk.ChangePasswordInput{CurrentPassword: wrong.current, NewPassword: wrong.next})
			if e := c.fails(err, mesa.ValidationFailed); e.Field != wrong.field {
				c.Errorf("%+v: field %q", wrong, e.Field)
			}
		}
		c.ok(c.desk.ChangePassword(c.ctx, by, desk.ChangePasswordInput{CurrentPassword: old, NewPassword: "kumbre-sol-tava-42"}))
		c.signedOut(there)
		by, err = c.db.Actor(c.ctx, here.Token)
		c.ok(err)
		if by.MustChangePassword {
			c.Error("a password of one's own is not enough")
		}
		_, err = c.desk.SignIn(c.ctx, mesa.Origin{}, desk.SignInInput{Email: email, Password: old})
		c.fails(err, mesa.Unauthenticated)
		for range 5 {
			_ = c.desk.ChangePassword(c.ctx, by, desk.ChangePasswordInput{CurrentPassword: "adivinada", NewPassword: "kumbre-sol-tava-43"})
		}
		if failed := c.events(mesa.SignInFailed); failed[len(failed)-1].ActorID != string(by.UserID) || failed[len(failed)-1].Text != "m…@demo.mesa.pe" {
			c.Errorf("recorded %+v", failed[len(failed)-1])
		}
		err = c.desk.ChangePassword(c.ctx, by, desk.ChangePasswordInput{CurrentPassword: "kumbre-sol-tava-42", NewPassword: "kumbre-sol-tava-43"})
		c.fails(err, mesa.RateLimited) // a session that was found open guesses no faster than a stranger
		c.ok(c.desk.SignOutOfAll(c.ctx, by))
		c.signedOut(here.Token)
		_, err = c.desk.Refresh(c.ctx, mesa.Origin{}, here.RefreshToken)
		c.fails(err, mesa.Unauthenticated)
	})
}
