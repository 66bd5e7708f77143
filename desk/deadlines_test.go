package desk_test

import (
	"slices"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

func TestOfEachDueDateEventsTellOnceWhenItIsNearAndOnceWhenItHasPassed(t *testing.T) {
	onEach(t, func(c *counter) {
		doc := c.register("mesa1")
		told := func() []mesa.EventType {
			t.Helper()
			_, err := c.db.NoteDeadlines(c.ctx, 100)
			c.ok(err)
			_, err = c.db.NoteDeadlines(c.ctx, 100) // a second look adds nothing
			c.ok(err)
			testkit.Certain(t, c.db)
			events, err := c.db.EventsAfter(c.ctx, db.Tail{}, 1000)
			c.ok(err)
			types := []mesa.EventType{}
			for _, e := range events {
				if e.DocumentID == doc.ID && (e.Type == mesa.DocumentDueSoon || e.Type == mesa.DocumentOverdue) {
					types = append(types, e.Type)
					if len(e.AreaIDs) == 0 || e.Text == "" {
						t.Errorf("%s concerns the areas %v: %q", e.Type, e.AreaIDs, e.Text)
					}
				}
			}
			return types
		}
		if got := told(); len(got) != 0 {
			t.Errorf("far from the due date %s there is %v", doc.DueOn, got)
		}
		before := time.Duration(doc.DueOn-c.cat.Today(c.db.Now())) * 24 * time.Hour
		c.clock.advance(before)
		if got := told(); !slices.Equal(got, []mesa.EventType{mesa.DocumentDueSoon}) {
			t.Errorf("on the due date there is %v", got)
		}
		c.clock.advance(24 * time.Hour)
		if got := told(); !slices.Equal(got, []mesa.EventType{mesa.DocumentDueSoon, mesa.DocumentOverdue}) {
			t.Errorf("after the due date there is %v", got)
		}
	})
}

func TestADocumentThatIsDoneIsNeverLate(t *testing.T) {
	onEach(t, func(c *counter) {
		c.attended()
		c.clock.advance(400 * 24 * time.Hour)
		if n, err := c.db.NoteDeadlines(c.ctx, 100); err != nil || n != 0 {
			t.Errorf("%d events, %v", n, err)
		}
	})
}
