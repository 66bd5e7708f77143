package mesa

import "time"

// ScheduleEntry is work that is due regularly.
type ScheduleEntry struct {
	Name    string
	Cron    string // minute, hour, day, month, weekday, in the time zone of the institution
	Kind    JobKind
	CatchUp bool // whether a time that passed while no process was there is made up for, once
}

// ScheduleEntries is the table of what is due regularly.
var ScheduleEntries = []ScheduleEntry{
	{"deadlines", "5 * * * *", JobDeadlines, true},
	{"retention", "17 * * * *", JobRetention, false},
	{"database-upkeep", "30 3 * * *", JobUpkeep, true},
	{"slow-queries", "40 6 * * *", JobDigest, true},
	{"statistics", "45 6 * * 1-6", JobWarmUp, false},
	{"audit-checkpoint", "59 23 * * *", JobCheckpoint, true},
	{"exchange", "*/15 * * * *", JobPoll, false},
}

// ScheduleFire is the latest time at which an entry of the schedule was due and its job was added.
type ScheduleFire struct {
	Name    string
	FiredAt time.Time
	Result  *JobState // of its job, nil when that is forgotten
}
