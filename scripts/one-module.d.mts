export declare function oneModule(file: string): Promise<string>;
