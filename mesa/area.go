package mesa

import "regexp"

// maxAreaLevels is how deep the tree of areas is at most.
const maxAreaLevels = 8

var areaCode = regexp.MustCompile(`^[A-Z0-9-]{2,12}$`)

// Check collects what is wrong with an area as it is to be stored; the catalogue is the one before.
func (a *Area) Check(cat *Catalogue) error {
	var v Violations
	v.Check(areaCode.MatchString(a.Code), "code", "El código lleva de 2 a 12 letras mayúsculas, dígitos o guiones.")
	checkText(&v, "name", a.Name, 2, 120)
	if a.Email != "" {
		checkEmail(&v, string(a.Email))
	}
	if a.HeadID != "" {
		head := cat.User(a.HeadID)
		v.Check(head != nil && head.IsActive, "headId", "La persona no existe o no está activa.")
	}
	v.Add(a.checkParent(cat))
	return v.Err()
}

// checkParent keeps the areas a tree, and not a deep one.
func (a *Area) checkParent(cat *Catalogue) error {
	if a.ParentID == "" {
		return nil
	}
	if parent := cat.Area(a.ParentID); parent == nil || !parent.IsActive {
		return Invalid("parentId", "El área no existe o no está activa.")
	}
	above := 0
	for id := a.ParentID; id != ""; id = cat.Area(id).ParentID {
		if id == a.ID {
			return Invalid("parentId", "Un área no puede depender de sí misma ni de las que dependen de ella.")
		}
		if above++; above > maxAreaLevels {
			break
		}
	}
	if above+cat.levelsBelow(a.ID, maxAreaLevels) > maxAreaLevels {
		return Invalid("parentId", "Las áreas tienen %d niveles como máximo.", maxAreaLevels)
	}
	return nil
}

// levelsBelow is how many levels an area and those below it make up, counted up to a bound; a new one is one.
func (c *Catalogue) levelsBelow(id AreaID, most int) int {
	deepest := 0
	if most > 0 && id != "" {
		for _, child := range c.children[id] {
			deepest = max(deepest, c.levelsBelow(child, most-1))
		}
	}
	return deepest + 1
}

// ErrAreaHasWork says that an area cannot become inactive: total documents are in its hands or on their way to it. Those that may be named are.
func ErrAreaHasWork(total int, named []*Document) *Error {
	blockers := make([]map[string]string, len(named))
	for i, doc := range named {
		blockers[i] = map[string]string{"documentId": string(doc.ID), "fileNumber": string(doc.FileNumber)}
	}
	return Fail(InvalidTransition, "areaId", "El área tiene %d expedientes por atender.", total).With("state", "ACTIVE").With("total", total).With("blockers", blockers)
}
