/** The style sheet of `<shotgrid-login>`. A page can change what starts with `--shotgrid-login-`. */
/** @type {string} */
export declare const STYLE: string;
