"""Every address x role x own and foreign stream x method: what each must answer."""
