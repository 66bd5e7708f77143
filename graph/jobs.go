package graph

import (
	"context"
	"slices"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/graph/model"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

// forManagers is a text that only who manages jobs may see, nil for others and when it is empty.
func forManagers(ctx context.Context, text mesa.Text) *string {
	if !mayManageJobs(ctx) {
		return nil
	}
	return given(string(text))
}

func mayManageJobs(ctx context.Context) bool {
	return viewOf(ctx).Actor().MayEverywhere(mesa.MayManageJobs)
}

// seesJob says whether an actor may look at a job: whoever requested it, and administrators.
func seesJob(actor *mesa.Actor, job *mesa.Job) bool {
	return actor.MayEverywhere(mesa.MayManageJobs) || job.RequestedByID != "" && job.RequestedByID == actor.UserID
}

func (r *Resolver) jobs(ctx context.Context, f mesa.JobFilter, p db.Page) (*model.JobConnection, error) {
	if err := r.require(ctx, mesa.MayManageJobs); err != nil {
		return nil, err
	}
	s, err := r.DB.Jobs(ctx, f, p)
	if err != nil {
		return nil, err
	}
	return &model.JobConnection{Nodes: s.Items, PageInfo: pageInfo(ctx, s), TotalCount: s.Total,
		Edges: edges(ctx, s, func(c string, n *mesa.Job) *model.JobEdge { return &model.JobEdge{Cursor: c, Node: n} })}, nil
}

// jobAttempts lists the attempts of a job, the one that runs last.
func (r *Resolver) jobAttempts(ctx context.Context, job *mesa.Job) ([]*mesa.JobAttempt, error) {
	if !mayManageJobs(ctx) {
		return []*mesa.JobAttempt{}, nil
	}
	attempts, err := loadersOf(ctx).AttemptsByJob.Load(ctx, job.ID)
	if running := job.Running(); running != nil {
		attempts = append(slices.Clip(attempts), running)
	}
	return attempts, err
}

func (r *Resolver) pauseQueue(ctx context.Context, name string, pause bool) (*model.QueuePayload, error) {
	if err := r.Desk.PauseQueue(ctx, actorOf(ctx), name, pause); err != nil {
		return nil, err
	}
	states, err := r.DB.Queues(ctx)
	if err != nil {
		return nil, err
	}
	return &model.QueuePayload{Queue: states[slices.IndexFunc(states, func(s *mesa.QueueState) bool { return s.Name == name })]}, nil
}

func jobPayload(job *mesa.Job, err error) (*model.JobPayload, error) {
	if err != nil {
		return nil, err
	}
	return &model.JobPayload{Job: job}, nil
}

func (r *Resolver) enqueueDiagnostic(ctx context.Context, in desk.DiagnosticJobInput) (*model.EnqueueJobPayload, error) {
	if !r.Diagnostics {
		return nil, mesa.Fail(mesa.FeatureDisabled, "", "Los trabajos de diagnóstico están desactivados (MESA_DIAGNOSTICS).")
	}
	job, isNew, err := r.Desk.Diagnose(ctx, actorOf(ctx), in)
	if err != nil {
		return nil, err
	}
	return &model.EnqueueJobPayload{Job: job, Deduplicated: !isNew}, nil
}

// schedules tells of the table of what is due regularly.
func (r *Resolver) schedules(ctx context.Context) ([]*model.Schedule, error) {
	if err := r.require(ctx, mesa.MayManageJobs); err != nil {
		return nil, err
	}
	entries, err := jobs.Standings(ctx, r.DB, catalogueOf(ctx).Calendar.Zone())
	if err != nil {
		return nil, err
	}
	list := make([]*model.Schedule, len(entries))
	for i, e := range entries {
		list[i] = &model.Schedule{Name: e.Name, Cron: e.Cron, Kind: e.Kind, NextRun: e.NextRun, LastRun: e.LastRun, LastResult: e.LastResult}
	}
	return list, nil
}

// jobUpdates follows a job for as long as the subscriber may see it.
func (r *Resolver) jobUpdates(ctx context.Context, id mesa.JobID) (<-chan *mesa.Job, error) {
	return followJob(ctx, r, id, func(_ context.Context, actor *mesa.Actor, job *mesa.Job) (told[*mesa.Job], error) {
		if !seesJob(actor, job) {
			return told[*mesa.Job]{}, mesa.ErrNotFound("id")
		}
		return told[*mesa.Job]{job, job}, nil
	})
}

// told is what a subscriber is told of a job, and the job as it was by then.
type told[T any] struct {
	message T
	job     *mesa.Job
}

// followJob sends what tell makes of a job as it is now, then of each newer state, until the final one was sent, the reader leaves, the
// server stops or tell refuses. States in between may be left out. tell may find the job newer than it is told.
func followJob[T any](ctx context.Context, r *Resolver, id mesa.JobID, tell func(context.Context, *mesa.Actor, *mesa.Job) (told[T], error)) (<-chan T, error) {
	following, leave := context.WithCancel(ctx)
	changes := r.Jobs.Follow(following, id) // before the job is read, so that no change falls between
	job, err := r.jobNow(ctx, id)
	var now told[T]
	if err == nil {
		now, err = tell(ctx, viewOf(ctx).Actor(), job)
	}
	if err != nil {
		leave()
		return nil, err
	}
	token := callerOf(ctx).token
	out := make(chan T)
	go func() {
		defer leave()
		defer close(out)
		for {
			select {
			case out <- now.message:
			case <-ctx.Done():
				return
			}
			if now.job.State.IsFinal() {
				return
			}
			newer := nextAfter(now.job.Rev, changes)
			if newer == nil {
				return
			}
			actor, err := r.DB.Actor(ctx, token)
			if err == nil {
				now, err = tell(ctx, actor, newer)
			}
			if err != nil {
				r.endOf(ctx, err)
				return
			}
		}
	}()
	return out, nil
}

// nextAfter waits for a state that is newer than a revision, nil when there will be none.
func nextAfter(rev int64, changes <-chan *mesa.Job) *mesa.Job {
	for job := range changes {
		if job.Rev > rev {
			return job
		}
	}
	return nil
}

// jobNow reads a job; NotFound when there is none.
func (r *Resolver) jobNow(ctx context.Context, id mesa.JobID) (*mesa.Job, error) {
	rows, err := r.DB.JobsByID(ctx, []mesa.JobID{id})
	if err == nil && rows[id] == nil {
		err = mesa.ErrNotFound("id")
	}
	return rows[id], err
}
