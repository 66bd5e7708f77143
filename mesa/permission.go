package mesa

import (
	"fmt"
	"strings"
)

// Permission names one right; RolePermissions says which role has it.
type Permission string

// RoleCode names one of the seeded roles.
type RoleCode string

// The seeded roles; they cannot be deleted.
const (
	Admin     RoleCode = "ADMIN"
	DeskHead  RoleCode = "DESK_HEAD"
	DeskClerk RoleCode = "DESK_CLERK"
	AreaHead  RoleCode = "AREA_HEAD"
	AreaUser  RoleCode = "AREA_USER"
	Archivist RoleCode = "ARCHIVIST"
	Auditor   RoleCode = "AUDITOR"
	Viewer    RoleCode = "VIEWER"
)

// RoleCodes lists the roles in the order of the columns of RolePermissions.
var RoleCodes = []RoleCode{Admin, DeskHead, DeskClerk, AreaHead, AreaUser, Archivist, Auditor, Viewer}

// The rights that the product asks for.
const (
	MayReadDocuments     Permission = "document.read"
	MayReadAll           Permission = "document.readAll"
	MayReadRestricted    Permission = "document.readRestricted"
	MayReadConfidential  Permission = "document.readConfidential"
	MayRegister          Permission = "document.register"
	MayUpdate            Permission = "document.update"
	MayCorrectParties    Permission = "document.correctSender"
	MayBackdate          Permission = "document.backdate"
	MayVoid              Permission = "document.void"
	MayObserve           Permission = "document.observe"
	MayReopen            Permission = "document.reopen"
	MaySetConfidential   Permission = "document.setConfidentiality"
	MayExtendDeadline    Permission = "document.extendDeadline"
	MayTag               Permission = "document.tag"
	MayWatch             Permission = "watch"
	MayDerive            Permission = "derivation.create"
	MayBulk              Permission = "derivation.bulk"
	MayReceive           Permission = "derivation.receive"
	MayAttend            Permission = "derivation.attend"
	MayReturn            Permission = "derivation.return"
	MayRecall            Permission = "derivation.recall"
	MayRecallOwn         Permission = "derivation.recallOwn"
	MayReassign          Permission = "derivation.reassign"
	MayAssign            Permission = "derivation.assign"
	MayAssignSelf        Permission = "derivation.assignSelf"
	MayArchive           Permission = "archive.create"
	MayRestore           Permission = "archive.restore"
	MayManageArchive     Permission = "archive.manage"
	MayReadStatistics    Permission = "statistics.read"
	MayRunReport         Permission = "report.run"
	MayExchange          Permission = "integration.use"
	MayConfigureExchange Permission = "integration.configure"
	MayManageKeys        Permission = "apikey.manage"
	MayManageUsers       Permission = "user.manage"
	MayManageRoles       Permission = "role.manage"
	MayManageCatalogue   Permission = "catalog.manage"
	MayManageSettings    Permission = "settings.manage"
	MayManageJobs        Permission = "job.manage"
	MayReadAudit         Permission = "audit.read"
)

// RolePermissions is who may do what: ● everywhere, ◐ in the role's own areas, – not at all.
// The columns are RoleCodes: ADMIN, DESK_HEAD, DESK_CLERK, AREA_HEAD, AREA_USER, ARCHIVIST, AUDITOR, VIEWER.
var RolePermissions = []struct {
	Permission Permission
	Reach      string
}{
	{MayReadDocuments, "● ● ● ◐ ◐ ◐ ● ●"},
	{MayReadAll, "● ● ● – – – ● ●"},
	{MayReadRestricted, "● ● ● – – – ● –"},
	{MayReadConfidential, "– – – – – – ● –"},
	{MayRegister, "● ◐ ◐ – – – – –"},
	{MayUpdate, "● ◐ ◐ ◐ – – – –"},
	{MayCorrectParties, "● ◐ – – – – – –"},
	{MayBackdate, "● ◐ – – – – – –"},
	{MayVoid, "● ◐ – – – – – –"},
	{MayObserve, "● ◐ ◐ ◐ ◐ – – –"},
	{MayReopen, "● ◐ – ◐ – – – –"},
	{MaySetConfidential, "● ◐ – ◐ – – – –"},
	{MayExtendDeadline, "● ● – ◐ – – – –"},
	{MayTag, "● ● ● ◐ ◐ ◐ – –"},
	{MayWatch, "● ● ● ◐ ◐ ◐ – ●"},
	{MayDerive, "● ◐ ◐ ◐ ◐ – – –"},
	{MayBulk, "● ◐ ◐ ◐ ◐ – – –"},
	{MayReceive, "● ◐ ◐ ◐ ◐ ◐ – –"},
	{MayAttend, "● ◐ ◐ ◐ ◐ ◐ – –"},
	{MayReturn, "● ◐ ◐ ◐ ◐ ◐ – –"},
	{MayRecall, "● ◐ – ◐ – – – –"},
	{MayRecallOwn, "● ◐ ◐ ◐ ◐ – – –"},
	{MayReassign, "● ● – ◐ – – – –"},
	{MayAssign, "● ◐ – ◐ – – – –"},
	{MayAssignSelf, "● ◐ ◐ ◐ ◐ – – –"},
	{MayArchive, "● ● ● – – ● – –"},
	{MayRestore, "● ● – – – ● – –"},
	{MayManageArchive, "● ● – – – ● – –"},
	{MayReadStatistics, "● ● ● ◐ ◐ ◐ ● ●"},
	{MayExchange, "● ● ● – – – – –"},
	{MayConfigureExchange, "● – – – – – – –"},
	{MayManageKeys, "● – – – – – – –"},
	{MayRunReport, "● ● ● ◐ – ◐ ● –"},
	{MayManageCatalogue, "● ● – – – – – –"},
	{MayManageUsers, "● – – – – – – –"},
	{MayManageRoles, "● – – – – – – –"},
	{MayManageSettings, "● – – – – – – –"},
	{MayManageJobs, "● – – – – – – –"},
	{MayReadAudit, "● – – – – – ● –"},
}

// Exists says whether the product asks for a permission of this name.
func (p Permission) Exists() bool {
	_, known := rolePermissions[Admin][p]
	return known
}

// reach is how far a role's permission goes.
type reach int

const (
	nowhere reach = iota
	ownAreas
	everywhere
)

var rolePermissions = readRolePermissions()

func readRolePermissions() map[RoleCode]map[Permission]reach {
	signs := map[string]reach{"–": nowhere, "◐": ownAreas, "●": everywhere}
	table := map[RoleCode]map[Permission]reach{}
	for _, role := range RoleCodes {
		table[role] = map[Permission]reach{}
	}
	for _, row := range RolePermissions {
		cells := strings.Fields(row.Reach)
		if len(cells) != len(RoleCodes) {
			panic(fmt.Sprintf("mesa: %s has %d cells for %d roles", row.Permission, len(cells), len(RoleCodes)))
		}
		for i, cell := range cells {
			table[RoleCodes[i]][row.Permission] = signs[cell]
		}
	}
	return table
}

// Role is a role as viewers and administrators see it.
type Role struct {
	Code RoleCode
	Name string // es-PE
}

// RoleOf is the role with its label.
func RoleOf(code RoleCode) *Role { return &Role{Code: code, Name: Label(string(code))} }

// RoleDefinition is a role with all that it may do.
type RoleDefinition struct {
	Role
	Permissions []*RolePermission
}

// RolePermission is a permission of a role.
type RolePermission struct {
	Permission   Permission
	IsEverywhere bool // if not, in the areas of the role's holder
}

// Roles lists the roles in the order of RoleCodes.
func Roles() []*RoleDefinition {
	list := make([]*RoleDefinition, len(RoleCodes))
	for i, code := range RoleCodes {
		list[i] = &RoleDefinition{Role: *RoleOf(code), Permissions: []*RolePermission{}}
		for _, row := range RolePermissions {
			if r := rolePermissions[code][row.Permission]; r != nowhere {
				list[i].Permissions = append(list[i].Permissions, &RolePermission{Permission: row.Permission, IsEverywhere: r == everywhere})
			}
		}
	}
	return list
}
