package topics

// Leader returns who led the partition; ok is false where that is not known.
func (a *Answer) Leader(partition int32) (broker int32, ok bool) {
	if a == nil || partition < 0 || int(partition) >= len(a.leaders) {
		return 0, false
	}
	return a.leaders[partition], true
}
