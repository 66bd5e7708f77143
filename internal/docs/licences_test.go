package main

import (
	"slices"
	"testing"
)

func TestLicencesAreKnownByTheirWords(t *testing.T) {
	const bsd = "Redistribution and use in source and\nbinary forms, with or without modification, "
	const mit = "Permission is hereby granted,\n free of charge, to any person"
	for _, c := range []struct {
		text string
		want []string // nil: it is refused
	}{
		{mit, []string{"MIT"}},
		{bsd + "are permitted", []string{"BSD-2-Clause"}},
		{bsd + "neither the name of X", []string{"BSD-3-Clause"}},
		{"Apache License\n   Version 2.0, January 2004 " + mit, []string{"Apache-2.0", "MIT"}},
		{`Mozilla Public License, version 2.0 "Secondary License" means either the GNU General Public License, Version 2.0`, []string{"MPL-2.0"}},
		{"", nil},
		{"All rights reserved.", nil},
		{"GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007", nil},
		{mit + " Business Source License 1.1", nil},
	} {
		if got, err := licencesIn(c.text); !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%q: %v, %v", c.text, got, err)
		}
	}
}
