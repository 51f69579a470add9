package rig

// Machine is what numbers depend on.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Go     string `json:"go"`
	Kernel string `json:"kernel"`
	// Others is how many cores were in use in the two seconds before. What else a machine does is in the numbers.
	Others float64 `json:"others"`
}

// Busy reports whether the machine was at work already: its numbers are not to be held against others.
func (m Machine) Busy() bool { return m.Others > float64(m.Cores)/10 }
