package mesa_test

import (
	"strings"
	"testing"

	"github.com/mesapartes/mesa/mesa"
)

func TestPasswordsThatAreTriedFirstAreRefused(t *testing.T) {
	t.Parallel()
	of := &mesa.User{Email: "cnahui@muni.pe", FullName: "César Alonso Ñahui Ticona"}
	for password, says := range map[string]string{
		"elevencharz": "at least 12 characters", strings.Repeat("ñandú ", 200): "at most 1024 bytes",
		"password1234": "too common", "P4ssw0rd12345": "too common", "Contraseña2026!": "too common", "qwertyuiop12": "too common", "Administrador-1": "too common",
		"000000000000": "too common", "aaaaaaaaaaaaaaa": "too common", "98273645182736": "too common", "Municipalidad2026": "too common", "cnahui-ticona-26": "too common",
		"MesaDePartes2026": "too common", "correct horse battery staple": "too common",

		"tuma-lore-kiva-pono": "", "una clave muy larga": "", "el río crece en marzo": "", "x7k2m9q4v8z1": "", "五月の雨が降っていた夜の町": "",
	} {
		err := mesa.CheckPassword("newPassword", password, of)
		if says == "" {
			if err != nil {
				t.Errorf("%q: %v", password, err)
			}
			continue
		}
		if e, ok := err.(*mesa.Error); !ok || e.Field != "newPassword" || !strings.Contains(e.In("en"), says) {
			t.Errorf("%q: %v, want one that says %q", password, err, says)
		}
	}
	if err := mesa.CheckPassword("newPassword", "kardamom-77-ñandú", &mesa.User{}); err != nil {
		t.Errorf("nobody's: %v", err)
	}
}
