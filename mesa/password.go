package mesa

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Bounds of a password: characters at least, bytes at most.
const (
	MinPassword      = 12
	MaxPasswordBytes = 1024
)

// leastOwn is how many different characters of a password nobody else would think of.
const leastOwn = 4

//go:embed common_passwords.txt
var commonPasswords string

// commonWords are what guessers try first, the longest first, folded.
var commonWords = readCommonWords()

func readCommonWords() []string {
	words := strings.Fields(commonPasswords)
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	return words
}

// CheckPassword says what is wrong with a password that the holder of an account wants to have: too short, too long, or made of what is
// tried first: common words and sequences, digits, the person's own name and address.
func CheckPassword(field, password string, of *User) error {
	switch n := len([]rune(password)); {
	case n < MinPassword:
		return Invalid(field, "La contraseña debe tener al menos %d caracteres.", MinPassword)
	case len(password) > MaxPasswordBytes:
		return Invalid(field, "La contraseña tiene %d bytes como máximo.", MaxPasswordBytes)
	case ownCharacters(password, of) < leastOwn:
		return Invalid(field, "La contraseña es demasiado común o fácil de adivinar.")
	}
	return nil
}

// ownCharacters counts the different characters of a password that are left without digits and known words, those in disguise, too.
func ownCharacters(password string, of *User) int {
	local, _, _ := strings.Cut(of.Email, "@")
	known := append(strings.FieldsFunc(foldAccents(local+" "+of.FullName), isNoLetter), commonWords...)
	plain := foldAccents(password)
	return min(own(plain, known), own(disguises.Replace(numbers.ReplaceAllString(plain, " ")), known))
}

func own(rest string, known []string) int {
	for _, word := range known {
		if len(word) >= 3 {
			rest = strings.ReplaceAll(rest, word, " ")
		}
	}
	seen := map[rune]bool{}
	for _, r := range rest {
		if !unicode.IsDigit(r) && !unicode.IsSpace(r) {
			seen[r] = true
		}
	}
	return len(seen)
}

func isNoLetter(r rune) bool { return !unicode.IsLetter(r) }

func foldAccents(s string) string { return accents.Replace(strings.ToLower(s)) }

var (
	accents   = strings.NewReplacer("á", "a", "é", "e", "í", "i", "ó", "o", "ú", "u", "ü", "u", "ñ", "n")
	disguises = strings.NewReplacer("@", "a", "$", "s", "0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t")
	numbers   = regexp.MustCompile(`\d{4,}`)
)
