package mesa

import (
	"io"
	"regexp"
	"strings"
	"time"
)

// PartyKind says what a party is.
type PartyKind string

// The values of PartyKind.
const (
	PersonParty       PartyKind = "PERSON"
	CompanyParty      PartyKind = "COMPANY"
	PublicEntityParty PartyKind = "PUBLIC_ENTITY"
	AnonymousParty    PartyKind = "ANONYMOUS"
)

// PartyKinds lists them in the order of the schema.
var PartyKinds = []PartyKind{PersonParty, CompanyParty, PublicEntityParty, AnonymousParty}

// MarshalGQL writes the name, null for none.
func (k PartyKind) MarshalGQL(w io.Writer) { writeEnum(w, k) }

// UnmarshalGQL reads a name.
func (k *PartyKind) UnmarshalGQL(v any) error { return readEnum(v, k, PartyKinds) }

// IDType is the paper that identifies a party.
type IDType string

// The values of IDType.
const (
	DNI      IDType = "DNI"      // national identity document
	RUC      IDType = "RUC"      // taxpayer number
	CE       IDType = "CE"       // foreign resident card
	PTP      IDType = "PTP"      // temporary permit of stay
	Passport IDType = "PASSPORT" // of any country
	NoID     IDType = "NONE"
)

// IDTypes lists them in the order of the schema.
var IDTypes = []IDType{DNI, RUC, CE, PTP, Passport, NoID}

// MarshalGQL writes the name, null for none.
func (t IDType) MarshalGQL(w io.Writer) { writeEnum(w, t) }

// UnmarshalGQL reads a name.
func (t *IDType) UnmarshalGQL(v any) error { return readEnum(v, t, IDTypes) }

// Party is a person or body outside the institution. (IDType, IDNumber) is unique unless IDType is NONE.
type Party struct {
	ID           PartyID `bun:",pk"`
	Kind         PartyKind
	IDType       IDType
	IDNumber     string `bun:",nullzero"`
	Name         string
	Email        Text `bun:",nullzero"`
	Phone        Text `bun:",nullzero"`
	Address      Text `bun:",nullzero"`
	Ubigeo       Text `bun:",nullzero"` // six digits: department, province, district
	AcceptsEmail bool
	CreatedAt    time.Time
}

// Sender is who sent a document, as of its registration; later changes of the party do not reach it.
type Sender struct {
	Kind     PartyKind
	IDType   IDType
	IDNumber Text `bun:",nullzero"`
	Name     string
	Email    Text `bun:",nullzero"`
}

// idNumbers is the form of each number and the sentence for a number that has another.
var idNumbers = map[IDType]struct {
	form *regexp.Regexp
	hint string
}{
	DNI:      {regexp.MustCompile(`^\d{8}$`), "El DNI tiene 8 dígitos."},
	RUC:      {regexp.MustCompile(`^(10|15|16|17|20)\d{9}$`), "El RUC tiene 11 dígitos y empieza con 10, 15, 16, 17 o 20."},
	CE:       {regexp.MustCompile(`^[A-Z0-9]{6,12}$`), "El carné de extranjería tiene de 6 a 12 letras mayúsculas o dígitos."},
	PTP:      {regexp.MustCompile(`^[A-Z0-9]{5,15}$`), "El PTP tiene de 5 a 15 letras mayúsculas o dígitos."},
	Passport: {regexp.MustCompile(`^[A-Z0-9]{5,15}$`), "El pasaporte tiene de 5 a 15 letras mayúsculas o dígitos."},
}

// CheckIdentity says whether a number can be that of such a party; every complaint is about the field idNumber. The number is
// taken as it is: trim it and make it upper case first.
func CheckIdentity(kind PartyKind, idType IDType, idNumber string) error {
	if kind == AnonymousParty && idType != NoID {
		return Invalid("idNumber", "Un remitente anónimo no lleva documento de identidad.")
	}
	if idType == NoID {
		if idNumber != "" {
			return Invalid("idNumber", "Indique el tipo del documento de identidad o deje el número vacío.")
		}
		return nil
	}
	rule, known := idNumbers[idType]
	if !known {
		return Invalid("idNumber", "El tipo del documento de identidad no es válido.")
	}
	if !rule.form.MatchString(idNumber) {
		return Invalid("idNumber", rule.hint)
	}
	if idType == RUC && RUCCheckDigit(idNumber[:10]) != idNumber[10] {
		return Invalid("idNumber", "El dígito verificador del RUC no corresponde.")
	}
	return nil
}

// RUCCheckDigit is the eleventh digit of a taxpayer number, '0' to '9', given the ten before it; 0 if they are not ten digits.
func RUCCheckDigit(first10 string) byte {
	const weights = "5432765432"
	if len(first10) != len(weights) {
		return 0
	}
	sum := 0
	for i := range len(weights) {
		if first10[i] < '0' || first10[i] > '9' {
			return 0
		}
		sum += int(first10[i]-'0') * int(weights[i]-'0')
	}
	return '0' + byte((11-sum%11)%10) // 10 becomes 0 and 11 becomes 1
}

// MaskEmail hides an address where it need only be recognised: the first character and the domain stay.
func MaskEmail(email string) string {
	local, domain, _ := strings.Cut(email, "@")
	runes := []rune(local)
	return string(runes[:min(1, len(runes))]) + "…@" + domain
}

// MaskID hides a number where strangers may read it: at most its last three characters stay, and never more than half.
func MaskID(idNumber string) string {
	runes := []rune(idNumber)
	shown := min(3, len(runes)/2)
	hidden := len(runes) - shown
	return strings.Repeat("*", hidden) + string(runes[hidden:])
}
