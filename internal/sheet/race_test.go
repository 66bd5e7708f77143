//go:build race

package sheet_test

const raceDetector = true // several times slower
