// SPDX-License-Identifier: Apache-2.0

package report

import "unicode/utf8"

// columns is the most columns of a table.
const columns = 7

// The measures of a table, in columns of a terminal.
const (
	terminal = 100 // what a table is laid out for
	gap      = 2   // between two columns
	indent   = 7   // of what continues a row: its address and a little more
)

// format is how the columns of a table are laid out.
type format struct {
	right    [columns]bool // numbers, which end below each other
	most     [columns]int  // the widest that the column gets; 0: no matter
	flexible int           // the column that has the room which the others leave
}

// table is rows that are aligned. What is longer than its column has room for
// is neither cut nor widens the column for all: the row goes on in the next
// line, as in df(1).
type table struct {
	format
	rows   []row
	widths [columns]int // 0: the column is empty and left out
}

// row is a row of a table, or a title between two rows.
type row struct {
	title string
	cells [columns]string
	notes []string // what follows the title or the cells, parted by commas
}

// append lays the table out and appends it.
func (t *table) append(dst []byte) []byte {
	t.measure()
	for i := range t.rows {
		c := cursor{dst: dst}
		if r := &t.rows[i]; r.title != "" {
			c.put(0, r.title)
			c.list(len(r.title)+1, r.notes)
		} else {
			t.put(&c, r)
		}
		dst = append(c.dst, '\n')
	}
	return dst
}

// measure makes every column as wide as its widest cell.
func (t *table) measure() {
	left := terminal
	for column := range columns {
		if column == t.flexible {
			continue
		}
		most := t.most[column]
		if most == 0 {
			most = terminal
		}
		if t.widths[column] = t.widest(column, most); t.widths[column] > 0 {
			left -= t.widths[column] + gap
		}
	}
	t.widths[t.flexible] = t.widest(t.flexible, left)
}

// widest is the width of the widest cell of a column that is no wider than
// most.
func (t *table) widest(column, most int) int {
	width := 0
	for i := range t.rows {
		if n := utf8.RuneCountInString(t.rows[i].cells[column]); n <= most {
			width = max(width, n)
		}
	}
	return width
}

// put writes a row: numbers to the right of their columns, text to the left.
func (t *table) put(c *cursor, r *row) {
	from := 0
	for column, cell := range r.cells {
		width := t.widths[column]
		if width == 0 {
			continue
		}
		at := from
		if t.right[column] {
			at += width - len(cell)
		}
		if cell != "" {
			c.cell(at, cell)
		}
		from += width + gap
	}
	c.list(from, r.notes)
}

// cursor is where the next text goes: behind dst, whose last line is so wide.
type cursor struct {
	dst   []byte
	width int
}

// put writes text at a column that is not yet passed.
func (c *cursor) put(column int, text string) {
	for ; c.width < column; c.width++ {
		c.dst = append(c.dst, ' ')
	}
	c.dst = append(c.dst, text...)
	c.width += utf8.RuneCountInString(text)
}

// cell writes text at a column, on the next line where this one is too long.
func (c *cursor) cell(column int, text string) {
	if c.width > 0 && c.width+gap > column {
		c.end()
	}
	c.put(column, text)
}

func (c *cursor) end() {
	c.dst = append(c.dst, '\n')
	c.width = 0
}

// list writes words from a column on, parted by commas, and goes on in the next
// line where the terminal ends.
func (c *cursor) list(column int, words []string) {
	for i, word := range words {
		if i < len(words)-1 {
			word += ","
		}
		at := column
		if i > 0 {
			at = c.width + 1
		}
		if at+utf8.RuneCountInString(word) > terminal {
			c.end()
			at = indent
		}
		c.put(at, word)
	}
}
