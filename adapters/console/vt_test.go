package console_test

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// vt is what stands on a terminal that was sent some bytes: enough of a VT100
// for what the console and x/term write.
type vt struct {
	width, height int
	rows          [][]rune
	x, y          int
}

var escape = regexp.MustCompile(`^\x1b\[([0-9;]*)([A-Za-z])`)

// onScreen is what somebody sees, without the empty rows at the end.
func onScreen(width, height int, sent string) string {
	v := &vt{width: width, height: height, rows: make([][]rune, height)}
	for sent != "" {
		if m := escape.FindStringSubmatch(sent); m != nil {
			v.control(m[1], m[2])
			sent = sent[len(m[0]):]
			continue
		}
		r, size := utf8.DecodeRuneInString(sent)
		v.put(r)
		sent = sent[size:]
	}
	lines := make([]string, height)
	for i, row := range v.rows {
		lines[i] = strings.TrimRight(string(row), " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

func (v *vt) put(r rune) {
	switch r {
	case '\r':
		v.x = 0
		return
	case '\n':
		v.down()
		return
	}
	if v.x == v.width {
		v.x = 0
		v.down()
	}
	row := v.rows[v.y]
	for len(row) <= v.x {
		row = append(row, ' ')
	}
	row[v.x] = r
	v.rows[v.y] = row
	v.x++
}

func (v *vt) down() {
	if v.y++; v.y == v.height {
		v.rows = append(v.rows[1:], nil)
		v.y--
	}
}

func (v *vt) control(args, what string) {
	first, second, _ := strings.Cut(args, ";")
	n, _ := strconv.Atoi(first)
	most := max(n, 1)
	switch what {
	case "A":
		v.y = max(v.y-most, 0)
	case "B":
		v.y = min(v.y+most, v.height-1)
	case "C":
		v.x = min(v.x+most, v.width-1)
	case "D":
		v.x = max(v.x-most, 0)
	case "H":
		column, _ := strconv.Atoi(second)
		v.y, v.x = min(most-1, v.height-1), max(column-1, 0)
	case "K":
		v.rows[v.y] = v.rows[v.y][:min(v.x, len(v.rows[v.y]))]
	case "J":
		v.rows[v.y] = v.rows[v.y][:min(v.x, len(v.rows[v.y]))]
		for i := v.y + 1; i < v.height; i++ {
			v.rows[i] = nil
		}
	case "m":
	default:
		panic("the terminal of this test does not know " + args + what)
	}
}
