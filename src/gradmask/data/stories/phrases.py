"""Whole phrases, both languages together: ``English | Spanish``. A slot such as ``{time}`` draws one."""

from __future__ import annotations

PHRASES = {
    "time": """
one morning | una mañana; the next day | al día siguiente; that evening | esa tarde; a week later | una semana después; at midnight | a medianoche; soon afterwards | poco después; after lunch | después de comer;
in the middle of the night | en plena noche; before sunrise | antes del amanecer; at noon | al mediodía; some days later | unos días más tarde; at that moment | en ese momento; a little later | un poco más tarde;
the following summer | el verano siguiente; early in the morning | muy temprano; without warning | sin aviso; as always | como siempre; two months later | dos meses después; at dusk | al anochecer; that same afternoon | aquella misma tarde;
towards evening | hacia el atardecer; after the storm | tras la tormenta; during breakfast | durante el desayuno; a few minutes later | minutos más tarde; when the bells rang | cuando sonaron las campanas; on a rainy day | un día de lluvia;
on the first day of the month | el primer día del mes; at the end of the week | al final de la semana; between two showers | entre dos aguaceros; by chance | por casualidad; to everybody's surprise | para sorpresa de todos; in spite of everything | a pesar de todo;
as if by magic | como por arte de magia; one winter night | una noche de invierno; before the party | antes de la fiesta; after a long silence | tras un largo silencio; this time | esta vez; in the meantime | mientras tanto; at first light | con las primeras luces
""",
    "adv": """
slowly | despacio; quickly | rápidamente; quietly | silenciosamente; carefully | cuidadosamente; secretly | secretamente; happily | alegremente; sadly | tristemente; angrily | con rabia; suddenly | súbitamente; finally | finalmente;
patiently | pacientemente; nervously | nerviosamente; proudly | orgullosamente; gently | suavemente; eagerly | con entusiasmo; calmly | con calma; bravely | valientemente; politely | cortésmente; foolishly | tontamente; gladly | con gusto;
hastily | a toda prisa; silently | en silencio; clumsily | torpemente; elegantly | elegantemente; immediately | inmediatamente; patiently enough | con bastante paciencia; almost without thinking | casi sin pensar; for the first time | por primera vez; once more | una vez más; again and again | una y otra vez;
very gently | muy suavemente; with great care | con mucho cuidado; without saying a word | sin decir palabra; with a smile | con una sonrisa; in a hurry | con prisa; reluctantly | de mala gana; willingly | de buena gana; in the dark | a oscuras; by mistake | por error; on purpose | a propósito;
solemnly | solemnemente; cautiously | cautelosamente; desperately | desesperadamente; stubbornly | tercamente; tirelessly | incansablemente; skilfully | hábilmente; enthusiastically | con fervor; mysteriously | misteriosamente; tenderly | tiernamente; shamelessly | descaradamente
""",
    "mat": """
wood | madera; iron | hierro; gold | oro; silver | plata; glass | vidrio; paper | papel; leather | cuero; stone | piedra; clay | barro; wool | lana; cotton | algodón; silk | seda; copper | cobre; bronze | bronce; tin | estaño; marble | mármol;
ivory | marfil; wax | cera; straw | paja; velvet | terciopelo; linen | lino; cardboard | cartón; rubber | caucho; steel | acero; porcelain | porcelana; crystal | cristal; bone | hueso; amber | ámbar; cork | corcho; plaster | yeso
""",
    "weather": """
the rain | la lluvia; the wind | el viento; the snow | la nieve; the fog | la niebla; the storm | la tormenta; the frost | la helada; the heat | el calor; the cold | el frío; the thunder | el trueno; the hail | el granizo; the drought | la sequía;
the mist | la bruma; the breeze | la brisa; the moonlight | la claridad de la luna; the darkness | la oscuridad; the silence | el silencio; the smoke | el humo; the dust | el polvo; the dew | el rocío; the sunshine | el sol
""",
    "body": """
hand | mano; head | cabeza; arm | brazo; finger | dedo; shoulder | hombro; elbow | codo; chin | barbilla; foot | pie; knee | rodilla; leg | pierna
""",
    "few": """
two | dos; three | tres; four | cuatro; five | cinco; six | seis; seven | siete; eight | ocho; nine | nueve; ten | diez; eleven | once; twelve | doce; thirteen | trece; fourteen | catorce; fifteen | quince; twenty | veinte; thirty | treinta; forty | cuarenta;
fifty | cincuenta; sixty | sesenta; seventy | setenta; eighty | ochenta; ninety | noventa; a hundred | cien; a thousand | mil
""",
    "month": """
January | enero; February | febrero; March | marzo; April | abril; May | mayo; June | junio; July | julio; August | agosto; September | septiembre; October | octubre; November | noviembre; December | diciembre
""",
    "day": "Monday | lunes; Tuesday | martes; Wednesday | miércoles; Thursday | jueves; Friday | viernes; Saturday | sábado; Sunday | domingo",
    "days": "Mondays | lunes; Tuesdays | martes; Wednesdays | miércoles; Thursdays | jueves; Fridays | viernes; Saturdays | sábados; Sundays | domingos",
    "daytime": "morning | mañana; afternoon | tarde; evening | tarde; night | noche",
    "season": "spring | primavera; summer | verano; autumn | otoño; winter | invierno",
    "colour": """
red | rojo; blue | azul; green | verde; yellow | amarillo; white | blanco; black | negro; grey | gris; brown | marrón; purple | morado; orange | naranja; pink | rosa; crimson | carmesí; violet | violeta; turquoise | turquesa; scarlet | escarlata
""",
    "unit": """
pounds | libras; ounces | onzas; kilos | kilos; dozens | docenas; boxes | cajas; baskets | cestas; bags | bolsas; plates | platos; slices | rodajas; pieces | trozos; tons | toneladas; barrels | barriles
""",
    "subject": """
history | historia; music | música; geography | geografía; mathematics | matemáticas; philosophy | filosofía; medicine | medicina; astronomy | astronomía; botany | botánica; chess | ajedrez; grammar | gramática; chemistry | química; politics | política; poetry | poesía;
architecture | arquitectura; religion | religión; football | fútbol; cooking | cocina; fishing | pesca; sculpture | escultura; navigation | navegación
""",
    "virtue": """
patience | la paciencia; love | el amor; freedom | la libertad; friendship | la amistad; justice | la justicia; happiness | la felicidad; courage | el valor; wisdom | la sabiduría; luck | la suerte; fame | la fama; wealth | la riqueza; health | la salud; kindness | la bondad;
honesty | la honradez; envy | la envidia; pride | el orgullo; solitude | la soledad; laughter | la risa; hunger | el hambre; time | el tiempo; death | la muerte; youth | la juventud; beauty | la belleza; peace | la paz; war | la guerra; curiosity | la curiosidad
""",
}
