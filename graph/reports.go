package graph

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/graph/model"
	"github.com/mesapartes/mesa/mesa"
)

// report finds a run; nil when there is none or the actor may not see it.
func (r *Resolver) report(ctx context.Context, id mesa.ReportID) (*mesa.ReportRun, error) {
	run, err := maybe(ctx, loadersOf(ctx).Report, id)
	if run == nil || err != nil || !actorOf(ctx).MayDownload(run) {
		return nil, err
	}
	return run, nil
}

func reportPayload(run *mesa.ReportRun, err error) (*model.ReportPayload, error) {
	if err != nil {
		return nil, err
	}
	return &model.ReportPayload{Report: run}, nil
}

func (r *Resolver) reports(ctx context.Context, p db.Page) (*model.ReportRunConnection, error) {
	s, err := r.DB.Reports(ctx, actorOf(ctx).UserID, p)
	if err != nil {
		return nil, err
	}
	return &model.ReportRunConnection{Nodes: s.Items, PageInfo: pageInfo(ctx, s), TotalCount: s.Total,
		Edges: edges(ctx, s, func(c string, n *mesa.ReportRun) *model.ReportRunEdge {
			return &model.ReportRunEdge{Cursor: c, Node: n}
		})}, nil
}

// reportUpdates follows a run for as long as the subscriber may see it.
func (r *Resolver) reportUpdates(ctx context.Context, id mesa.ReportID) (<-chan *mesa.ReportRun, error) {
	run, err := r.reportNow(ctx, id)
	if err != nil {
		return nil, err
	}
	return followJob(ctx, r, run.JobID, func(ctx context.Context, actor *mesa.Actor, _ *mesa.Job) (told[*mesa.ReportRun], error) {
		run, err := r.reportNow(ctx, id)
		if err == nil && !actor.MayDownload(run) {
			err = mesa.ErrNotFound("id")
		}
		if err != nil {
			return told[*mesa.ReportRun]{}, err
		}
		return told[*mesa.ReportRun]{run, run.Job}, nil
	})
}

func (r *Resolver) reportNow(ctx context.Context, id mesa.ReportID) (*mesa.ReportRun, error) {
	runs, err := r.DB.ReportsByID(ctx, []mesa.ReportID{id})
	if err == nil && runs[id] == nil {
		err = mesa.ErrNotFound("id")
	}
	return runs[id], err
}

// myReports follows the runs of the subscriber that wait or run, and each that they ask for from now on, until nobody holds their token.
func (r *Resolver) myReports(ctx context.Context) (<-chan *mesa.ReportRun, error) {
	user, token := viewOf(ctx).Actor().UserID, callerOf(ctx).token
	ctx, leave := context.WithCancel(ctx)
	requested, err := r.Feed.Follow(ctx, func(e *mesa.Event) bool { return e.Type == mesa.ReportRequested && e.ActorID == string(user) })
	var live []mesa.ReportID
	if err == nil {
		live, err = r.DB.UnfinishedReports(ctx, user)
	}
	if err != nil {
		leave()
		return nil, err
	}
	m := &merged{r: r, out: make(chan *mesa.ReportRun), followed: map[mesa.ReportID]bool{}, end: func(why error) {
		if why == nil {
			_, why = r.DB.Actor(ctx, token)
		}
		if why != nil {
			r.endOf(ctx, why)
		}
		if why != nil || endingOf(ctx).broken.Load() {
			leave()
		}
	}}
	go func() {
		defer close(m.out)
		defer m.running.Wait()
		defer leave()
		for _, id := range live {
			m.follow(ctx, id)
		}
		for ctx.Err() == nil {
			e, err := requested.Next()
			m.end(err)
			if err == nil {
				m.follow(ctx, mesa.ReportID(e.ObjectID))
			}
		}
	}()
	return m.out, nil
}

// merged sends what is told of several runs into one channel.
type merged struct {
	r        *Resolver
	out      chan *mesa.ReportRun
	followed map[mesa.ReportID]bool
	end      func(error) // ends all when there is a reason to, what is told of a run broke off, or nobody holds the subscriber's token
	running  sync.WaitGroup
}

func (m *merged) follow(ctx context.Context, id mesa.ReportID) {
	if m.followed[id] || ctx.Err() != nil {
		return
	}
	m.followed[id] = true
	updates, err := m.r.reportUpdates(ctx, id)
	if mesa.CodeOf(err) == mesa.NotFound {
		return // it is gone
	}
	if err != nil {
		m.end(err)
		return
	}
	m.running.Go(func() {
		final := false
		for run := range updates {
			select {
			case m.out <- run:
				final = run.Job.State.IsFinal()
			case <-ctx.Done():
			}
		}
		if !final {
			m.end(nil)
		}
	})
}

// The link to a file is for one user and a short time. It is signed over all that it says and over the key of the file, so that it ends
// with the file, too.
const linkPurpose = "report download"

// downloadURL is a link to the file of a run for the actor, nil while there is none or they may not have it.
func (r *Resolver) downloadURL(ctx context.Context, run *mesa.ReportRun) *string {
	actor := viewOf(ctx).Actor()
	if !run.HasFile(r.DB.Now()) || r.Keys == nil || !actor.MayDownload(run) {
		return nil
	}
	until := strconv.FormatInt(r.DB.Now().Add(mesa.ReportLinkFor).Unix(), 10)
	query := url.Values{"user": {string(actor.UserID)}, "until": {until}}
	query.Set("signature", r.Keys.Sign(linkPurpose, string(run.ID), string(run.StorageKey), string(actor.UserID), until))
	return ptr("/reports/" + string(run.ID) + "/file?" + query.Encode())
}

// Download is a file that somebody may have.
type Download struct {
	Run     *mesa.ReportRun
	By      *mesa.Actor
	Content io.ReadSeekCloser
}

// OpenReport opens the file that a link leads to, after reading it once: what was damaged is not handed out. NotFound when the link is
// not one of ours, too old, or its user may no longer have the file; Internal errors are plain.
func (r *Resolver) OpenReport(ctx context.Context, id mesa.ReportID, link url.Values) (*Download, error) {
	run, err := r.reportNow(ctx, id)
	if err != nil {
		return nil, err
	}
	user, until := link.Get("user"), link.Get("until")
	seconds, err := strconv.ParseInt(until, 10, 64)
	if now := r.DB.Now(); err != nil || !run.HasFile(now) || now.After(time.Unix(seconds, 0)) ||
		!r.Keys.Valid(linkPurpose, link.Get("signature"), string(run.ID), string(run.StorageKey), user, until) {
		return nil, mesa.ErrNotFound("")
	}
	actor, err := r.DB.ActorOf(ctx, mesa.UserID(user))
	if err != nil {
		return nil, err
	}
	if !actor.Catalogue.User(actor.UserID).IsActive || !actor.MayDownload(run) {
		return nil, mesa.ErrNotFound("")
	}
	content, _, err := r.Files.Open(ctx, string(run.StorageKey))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("file of report %s is missing: %w", id, err)
	}
	if err != nil {
		return nil, err
	}
	if err := isWhole(content, string(run.SHA256)); err != nil {
		_ = content.Close()
		return nil, fmt.Errorf("file of report %s: %w", id, err)
	}
	return &Download{run, actor, content}, nil
}

// isWhole compares content with its hash and goes back to its beginning.
func isWhole(content io.ReadSeeker, want string) error {
	h := sha256.New()
	if _, err := io.Copy(h, content); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("its content has hash %s instead of %s", got, want)
	}
	_, err := content.Seek(0, io.SeekStart)
	return err
}
