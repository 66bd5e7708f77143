package mesa

// labels are the es-PE words for identifiers. A leg's ATTENDED and a document's read the same.
var labels = map[string]string{
	"SUBMITTED": "Presentado", "OBSERVED": "Observado", "REGISTERED": "Registrado", "IN_PROCESS": "En proceso", "ATTENDED": "Atendido",
	"ARCHIVED": "Archivado", "NOT_FILED": "No presentado", "VOIDED": "Anulado",
	"PENDING": "Por recibir", "RECEIVED": "Recibido", "FORWARDED": "Derivado", "REJECTED": "Rechazado", "RETURNED": "Devuelto",
	"RECALLED": "Recuperado", "REASSIGNED": "Reasignado", "ACKNOWLEDGED": "Tomado conocimiento", "CLOSED": "Cerrado por el sistema",
	"NORMAL": "Normal", "HIGH": "Alta", "URGENT": "Urgente",
	"COUNTER": "Ventanilla", "WEB": "Web", "API": "API", "EXCHANGE": "Interoperabilidad", "EMAIL": "Correo",
	"ACTION": "Para acción", "COPY": "Copia",
	"PUBLIC": "Público", "RESTRICTED": "Reservado", "CONFIDENTIAL": "Confidencial",
	"GREEN": "En plazo", "AMBER": "Por vencer", "RED": "Vence hoy", "OVERDUE": "Vencido", "PAUSED": "Plazo suspendido",
	"DONE_ON_TIME": "Atendido en plazo", "DONE_LATE": "Atendido fuera de plazo",
	"ADMIN": "Administrador", "DESK_HEAD": "Jefe de mesa de partes", "DESK_CLERK": "Operador de mesa", "AREA_HEAD": "Jefe de área",
	"AREA_USER": "Usuario de área", "ARCHIVIST": "Archivero", "AUDITOR": "Auditor", "VIEWER": "Consulta",
	"REVOKED": "Revocada", "EXPIRED": "Vencida",
	"WRONG_RECIPIENT": "Dirigido a otra entidad", "DUPLICATE": "Duplicado", "ILLEGIBLE": "Ilegible", "SPAM": "No deseado",
	"QUEUED": "Por enviar", "SENDING": "Enviándose", "SENT": "Enviado", "DELIVERED": "Entregado", "RETRYING": "Por reintentar", "DEAD": "No enviado", "CANCELLED": "Cancelado",
	"TO_RECEIVE": "Por recibir", "IN_HAND": "En atención", "COPIES": "Copias",
}

// Label is the es-PE word for an identifier, the identifier itself when there is none.
func Label(identifier string) string {
	if label, ok := labels[identifier]; ok {
		return label
	}
	return identifier
}
