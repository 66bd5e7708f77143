package demo

import "github.com/mesapartes/mesa/mesa"

// documentType is a type as every institution gets it, with what the demo makes of it.
type documentType struct {
	mesa.DocumentType
	categories []category
	weight     int            // how often it comes in
	senders    mesa.PartyKind // who mostly sends it
	external   string         // how the sender numbers it, %d and %d are number and year; "" when they do not
	outcomes   []mesa.Outcome // how it mostly ends
	class      mesa.ArchiveClassification
	policies   []string
}

// category is a category, the areas that usually deal with it and what its documents are about. In a subject {…} is filled in.
type category struct {
	code, name string
	areas      []string
	subjects   []string
}

var types = []documentType{
	{
		DocumentType: mesa.DocumentType{Code: "SOL", Name: "Solicitud", DefaultTermBusinessDays: 30},
		weight:       36, senders: mesa.PersonParty, class: mesa.ArchiveGeneral, policies: []string{"Y5", "Y3", "Y5"},
		outcomes: []mesa.Outcome{mesa.OutcomeApproved, mesa.OutcomeApproved, mesa.OutcomeDenied, mesa.OutcomePartial, mesa.OutcomeResponded},
		categories: []category{
			{"INFPUB", "Acceso a la información pública", []string{"SG", "IMG"}, []string{
				"Solicita copia del expediente técnico del tramo {tramo}",
				"Acceso a la información pública: contratos de mantenimiento vial del año {año}",
				"Solicita relación de obras ejecutadas en la provincia de {provincia}",
				"Requiere información sobre la señalización instalada en {tramo}",
			}},
			{"LICUSO", "Uso de derecho de vía", []string{"DCV", "SRC"}, []string{
				"Solicita autorización de uso del derecho de vía en {tramo}, km {km}",
				"Autorización para instalar postes y fibra óptica en {tramo}",
				"Solicita permiso para acceso vehicular a predio colindante con {tramo}",
				"Renovación de autorización de panel publicitario en el km {km} de {tramo}",
			}},
			{"CONST", "Constancias y certificados", []string{"RRHH", "LOG"}, []string{
				"Solicita constancia de trabajo del período {año}",
				"Solicita certificado de cumplimiento de la orden de servicio N.° {n}",
				"Solicita constancia de prestación del contrato N.° {n}-{año}",
			}},
			{"MANT", "Mantenimiento de vías", []string{"SOM", "DCV"}, []string{
				"Solicita reparación de baches en {tramo}, sector {provincia}",
				"Pobladores de {provincia} solicitan limpieza de cunetas y alcantarillas",
				"Solicita señalización horizontal frente a institución educativa en {provincia}",
				"Solicita construcción de badén en el km {km} de {tramo}",
			}},
		},
	},
	{
		DocumentType: mesa.DocumentType{Code: "OFC", Name: "Oficio", DefaultTermBusinessDays: 10},
		weight:       20, senders: mesa.PublicEntityParty, external: "OFICIO N.° %04d-%d-GM", class: mesa.ArchiveAdministrative, policies: []string{"Y10", "Y5"},
		outcomes: []mesa.Outcome{mesa.OutcomeResponded, mesa.OutcomeResponded, mesa.OutcomeNoAction, mesa.OutcomeForwardedOutside},
		categories: []category{
			{"REQINF", "Requerimiento de información", []string{"OPP", "DCV", "OA"}, []string{
				"Requiere información sobre la ejecución presupuestal del año {año}",
				"Solicita estado situacional de la obra en {tramo}",
				"Remite pliego de preguntas sobre el mantenimiento de {tramo}",
			}},
			{"COORD", "Coordinación interinstitucional", []string{"GG", "DPI", "SG"}, []string{
				"Invitación a reunión de coordinación sobre la vía {tramo}",
				"Propone suscripción de convenio marco de cooperación",
				"Convoca a mesa técnica en la provincia de {provincia}",
				"Comunica designación de representantes ante el comité de vías de {provincia}",
			}},
			{"JUDIC", "Mandatos y notificaciones judiciales", []string{"OAJ"}, []string{
				"Notifica resolución N.° {n} recaída en proceso contencioso administrativo",
				"Requiere remitir copias certificadas del expediente N.° {n}-{año}",
				"Dispone informe documentado en la carpeta fiscal N.° {n}-{año}",
			}},
			{"CONTROL", "Control gubernamental", []string{"OCI"}, []string{
				"Comunica inicio de visita de control a la obra en {tramo}",
				"Remite informe de orientación de oficio N.° {n}-{año}",
			}},
		},
	},
	{
		DocumentType: mesa.DocumentType{Code: "MEM", Name: "Memorándum"},
		weight:       5, senders: mesa.PublicEntityParty, external: "MEMORÁNDUM N.° %03d-%d", class: mesa.ArchiveAdministrative, policies: []string{"Y3", "Y1"},
		outcomes: []mesa.Outcome{mesa.OutcomeNoAction, mesa.OutcomeResponded},
		categories: []category{
			{"DISP", "Disposiciones", []string{"OA", "RRHH"}, []string{
				"Dispone entrega de cargo del personal de la sede {provincia}",
				"Comunica rol de vacaciones del año {año}",
			}},
			{"REQ", "Requerimientos internos", []string{"LOG", "OTI"}, []string{
				"Requiere equipos de cómputo para la sede {provincia}",
				"Solicita viáticos para comisión de servicios a {provincia}",
			}},
		},
	},
	{
		DocumentType: mesa.DocumentType{Code: "CAR", Name: "Carta", DefaultTermBusinessDays: 15},
		weight:       17, senders: mesa.CompanyParty, external: "CARTA N.° %03d-%d/GG", class: mesa.ArchiveAccounting, policies: []string{"Y10", "Y5"},
		outcomes: []mesa.Outcome{mesa.OutcomeResponded, mesa.OutcomeApproved, mesa.OutcomeDenied},
		categories: []category{
			{"VALOR", "Valorizaciones y pagos", []string{"SOM", "TES", "CONT"}, []string{
				"Presenta valorización N.° {n} de la obra en {tramo}",
				"Solicita pago de la factura F001-{n} por servicio de mantenimiento rutinario",
				"Remite liquidación final del contrato N.° {n}-{año}",
			}},
			{"PLAZO", "Ampliaciones de plazo", []string{"DCV", "LOG"}, []string{
				"Solicita ampliación de plazo N.° {n} por lluvias extraordinarias en {provincia}",
				"Comunica paralización temporal de trabajos en {tramo}",
			}},
			{"COTIZ", "Cotizaciones y propuestas", []string{"LOG"}, []string{
				"Presenta cotización para el servicio de conservación vial en {provincia}",
				"Propuesta técnica y económica: estudio de tránsito de {tramo}",
			}},
		},
	},
	{
		DocumentType: mesa.DocumentType{Code: "INF", Name: "Informe"},
		weight:       6, senders: mesa.CompanyParty, external: "INFORME N.° %03d-%d", class: mesa.ArchiveTechnical, policies: []string{"PERMANENT", "Y10"},
		outcomes: []mesa.Outcome{mesa.OutcomeNoAction, mesa.OutcomeApproved},
		categories: []category{
			{"SUPERV", "Supervisión de obra", []string{"SOM", "SEP"}, []string{
				"Informe mensual de supervisión de la obra en {tramo}",
				"Informe sobre daños por huaico en el km {km} de {tramo}",
			}},
			{"CONSUL", "Consultorías y estudios", []string{"SEP", "DPI"}, []string{
				"Entrega segundo producto del estudio de preinversión de {tramo}",
				"Informe arqueológico del camino prehispánico en {provincia}",
			}},
		},
	},
	{
		DocumentType: mesa.DocumentType{Code: "REC", Name: "Recurso", DefaultTermBusinessDays: 30},
		weight:       6, senders: mesa.PersonParty, class: mesa.ArchiveLegal, policies: []string{"PERMANENT", "Y10"},
		outcomes: []mesa.Outcome{mesa.OutcomeDenied, mesa.OutcomeDenied, mesa.OutcomeApproved, mesa.OutcomePartial},
		categories: []category{
			{"RECON", "Reconsideración", []string{"DCV", "OA", "OAJ"}, []string{
				"Interpone recurso de reconsideración contra la Resolución Directoral N.° {n}-{año}",
				"Recurso de reconsideración contra la denegatoria de uso del derecho de vía en {tramo}",
			}},
			{"APEL", "Apelación", []string{"OAJ", "GG"}, []string{
				"Interpone recurso de apelación contra la Resolución N.° {n}-{año}",
				"Apelación contra la denegatoria ficta de la solicitud de acceso a la información",
			}},
		},
	},
	{
		DocumentType: mesa.DocumentType{
			Code: "DEN", Name: "Denuncia", DefaultTermBusinessDays: 30, AllowsAnonymous: true, DefaultConfidentiality: mesa.Restricted,
		},
		weight: 3, senders: mesa.PersonParty, class: mesa.ArchiveLegal, policies: []string{"Y10", "PERMANENT"},
		outcomes: []mesa.Outcome{mesa.OutcomeForwardedOutside, mesa.OutcomeNoAction, mesa.OutcomeResponded},
		categories: []category{
			{"FUNC", "Conducta funcional", []string{"OCI", "RRHH"}, []string{
				"Denuncia cobro indebido en la entrega de autorizaciones en {provincia}",
				"Denuncia presunto favorecimiento en la adjudicación N.° {n}-{año}",
			}},
			{"INVAS", "Invasión del derecho de vía", []string{"SRC", "OAJ"}, []string{
				"Denuncia invasión del derecho de vía en el km {km} de {tramo}",
				"Denuncia construcción sin autorización sobre camino de herradura en {provincia}",
			}},
		},
	},
	{
		DocumentType: mesa.DocumentType{Code: "CON", Name: "Consulta", DefaultTermBusinessDays: 30},
		weight:       7, senders: mesa.PersonParty, class: mesa.ArchiveGeneral, policies: []string{"Y3", "Y1"},
		outcomes: []mesa.Outcome{mesa.OutcomeResponded},
		categories: []category{
			{"TRAM", "Sobre trámites", []string{"SG", "SRC"}, []string{
				"Consulta sobre requisitos para el uso del derecho de vía",
				"Consulta el estado del trámite presentado en {provincia}",
			}},
			{"LEGAL", "Sobre normas", []string{"OAJ"}, []string{
				"Consulta sobre la faja de dominio aplicable en {tramo}",
				"Consulta legal sobre servidumbre de paso en la provincia de {provincia}",
			}},
			{"CATAS", "Sobre el catastro vial", []string{"SRC", "DPI"}, []string{
				"Consulta si su predio de {provincia} se superpone con {tramo}",
				"Consulta sobre la actualización del catastro vial del año {año}",
			}},
		},
	},
}
