package auth_test

import (
	"context"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/internal/auth"
)

func TestPasswords(t *testing.T) {
	t.Parallel()
	ctx, p := t.Context(), auth.NewPasswords()
	hash := auth.Hash("una clave muy larga")
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=32768,t=3,p=2$") || strings.Contains(hash, "clave") {
		t.Errorf("hash %s", hash)
	}
	if auth.Hash("una clave muy larga") == hash {
		t.Error("two hashes of a password are the same")
	}
	for _, c := range []struct {
		password, hash string
		fits           bool
	}{
		{"una clave muy larga", hash, true}, {"una clave muy larg", hash, false}, {"", hash, false}, {"una clave muy larga", "", false},
		{strings.Repeat("x", auth.MaxPasswordBytes+1), auth.Hash(strings.Repeat("x", auth.MaxPasswordBytes)), false},
	} {
		if fits, err := p.Check(ctx, c.password, c.hash); err != nil || fits != c.fits {
			t.Errorf("%.20q against %.20q: %v, %v", c.password, c.hash, fits, err)
		}
	}
}

func TestDamagedHashesAreErrors(t *testing.T) {
	t.Parallel()
	p, hash := auth.NewPasswords(), auth.Hash("una clave muy larga")
	for _, bad := range []string{"x", "$2a$10$abc", hash[:len(hash)-2], strings.Replace(hash, "t=3", "t=1", 1), hash + "!", hash[:strings.LastIndex(hash, "$")]} {
		if fits, err := p.Check(t.Context(), "una clave muy larga", bad); err == nil || fits {
			t.Errorf("%s: %v, %v", bad, fits, err)
		}
	}
}

func TestWhoseRequestEndedDoesNotWaitForASlot(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hash := auth.Hash("una clave muy larga")
	p := auth.NewPasswords()
	for range 20 { // select may still take a free slot
		if fits, err := p.Check(ctx, "otra", hash); fits || err != nil && err != context.Canceled {
			t.Errorf("%v, %v", fits, err)
		} else if err != nil {
			return
		}
	}
	t.Error("an ended request is never noticed")
}
