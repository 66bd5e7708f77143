package demo

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/mesapartes/mesa/mesa"
)

// names invents people, bodies and places.
type names struct{ rnd *rand.Rand }

func newNames(rnd *rand.Rand) *names { return &names{rnd} }

func pick[T any](rnd *rand.Rand, list []T) T { return list[rnd.IntN(len(list))] }

var (
	womenNames = strings.Fields(`María Rosa Carmen Ana Luz Julia Elena Patricia Gladys Milagros Yolanda Nélida Flor Maribel Rocío Verónica
		Sofía Lucía Ángela Noemí Katherine Fiorella Yesenia Roxana Soledad Begoña Inés Úrsula Esther Karina`)
	menNames = strings.Fields(`José Luis Carlos Jorge Víctor Juan César Julio Raúl Óscar Miguel Wilber Edwin Hernán Percy Rubén Andrés
		Martín Iván Édgar Félix Nicolás Ramón Efraín Ciro Teófilo Renzo Alonso Gonzalo Walter`)
	surnames = strings.Fields(`Quispe Huamán Flores Mamani Sánchez Rodríguez Ramos Castillo Núñez Peña Yupanqui Condori Chávez Gutiérrez
		Vargas Ccori Apaza Paredes Salazar Muñoz Ñahui Ñaupari Cárdenas Palomino Córdova Zúñiga Valdivia Ticona Choque Espinoza Ibáñez
		Arroyo Bustamante Cáceres Delgado Figueroa Güere Inga Jáuregui Llanos Medrano Ordóñez Pacheco Rojas Soto Tello Ugarte Vílchez`)
	provinces = strings.Split(`Canchis,Anta,Calca,Urubamba,Quispicanchi,Huancavelica,Andahuaylas,Cañete,Huaylas,Tayacaja,Lucanas,Chumbivilcas,`+
		`Cajabamba,Santiago de Chuco,Bolognesi,Recuay,Yauyos,Huarochirí,Carabaya,Azángaro,Condesuyos,Ferreñafe`, ",")
	roads = strings.Split(`la vía Pampas–Ñuñoa,el tramo Abra Málaga–Alfamayo,la ruta CU-113,el camino Qhapaq Tambo,la vía Yauya–San Luis,`+
		`el tramo Puente Cunyac–Mollepata,la ruta AY-104,la carretera Los Ñandúes,el desvío Tarma–Palcamayo,la vía Cañón del Pato Sur`, ",")
	trades    = strings.Split("Constructora,Consorcio Vial,Inversiones,Servicios Generales,Ingeniería y Proyectos,Transportes,Corporación", ",")
	tradeOf   = strings.Split("Los Ñandúes,Apu Wayra,Río Azul,Qori Inti,El Algarrobo,San Ramón del Valle,Puna Verde,Tres Cañadas,Aliso Andino,Nevado Blanco", ",")
	legalForm = strings.Split("S.A.C.,S.R.L.,E.I.R.L.,S.A.", ",")
	bodies    = strings.Split("Municipalidad Provincial de,Municipalidad Distrital de,Gobierno Local de,Junta de Usuarios de,Comisaría Rural de,Juzgado Mixto de,Fiscalía Provincial de", ",")
)

func (n *names) person(female bool) string {
	first := menNames
	if female {
		first = womenNames
	}
	name := pick(n.rnd, first)
	if second := pick(n.rnd, first); n.rnd.IntN(3) > 0 && second != name {
		name += " " + second
	}
	return name + " " + pick(n.rnd, surnames) + " " + pick(n.rnd, surnames)
}

// party is a new party of a kind; its id and times are the caller's.
func (n *names) party(kind mesa.PartyKind) *mesa.Party {
	p := &mesa.Party{Kind: kind, IDType: mesa.RUC, AcceptsEmail: n.rnd.IntN(5) < 2}
	switch kind {
	case mesa.AnonymousParty:
		return &mesa.Party{Kind: kind, IDType: mesa.NoID, Name: "Anónimo"}
	case mesa.CompanyParty:
		p.Name = pick(n.rnd, trades) + " " + pick(n.rnd, tradeOf) + " " + pick(n.rnd, legalForm)
		p.IDNumber = ruc("20")(n.rnd)
	case mesa.PublicEntityParty:
		p.Name = pick(n.rnd, bodies) + " " + pick(n.rnd, provinces)
		p.IDNumber = ruc("20")(n.rnd)
	default:
		p.Name = n.person(n.rnd.IntN(2) == 0)
		switch n.rnd.IntN(40) {
		case 0:
			p.IDType, p.IDNumber = mesa.CE, fmt.Sprintf("%09d", n.rnd.IntN(2_000_000))
		case 1, 2:
			p.IDNumber = ruc("10")(n.rnd)
		default:
			p.IDType, p.IDNumber = mesa.DNI, strconv.Itoa(10_000_000+n.rnd.IntN(70_000_000))
		}
	}
	if n.rnd.IntN(2) == 0 {
		p.Email = mesa.Text(fmt.Sprintf("contacto%d@correo.example", n.rnd.IntN(1_000_000)))
	}
	if n.rnd.IntN(3) > 0 {
		p.Phone = mesa.Text(strconv.Itoa(900_000_000 + n.rnd.IntN(100_000_000)))
	}
	return p
}

// ruc makes taxpayer numbers with a prefix and the right check digit.
func ruc(prefix string) func(*rand.Rand) string {
	return func(rnd *rand.Rand) string {
		first := fmt.Sprintf("%s%08d", prefix, rnd.IntN(100_000_000))
		return first + string(rune(mesa.RUCCheckDigit(first)))
	}
}

// fill puts something into the braces of a subject.
func (n *names) fill(subject string, year int) string {
	for {
		i := strings.IndexByte(subject, '{')
		if i < 0 {
			return subject
		}
		j := i + strings.IndexByte(subject[i:], '}')
		var with string
		switch subject[i+1 : j] {
		case "tramo":
			with = pick(n.rnd, roads)
		case "provincia":
			with = pick(n.rnd, provinces)
		case "km":
			with = fmt.Sprintf("%d+%03d", n.rnd.IntN(180), n.rnd.IntN(100)*10)
		case "año":
			with = strconv.Itoa(year - n.rnd.IntN(3))
		default:
			with = fmt.Sprintf("%03d", 1+n.rnd.IntN(900))
		}
		subject = subject[:i] + with + subject[j+1:]
	}
}
